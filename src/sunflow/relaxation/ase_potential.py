"""Any ASE calculator as a potential, named by its import path."""

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from sunflow.provenance import file_hash, stamp
from sunflow.relaxation.ase_evaluator import AseEvaluator


class AsePotential:
    """A class or function that gives an ASE calculator, and the arguments it is called with.

    Args:
        path: Where it is imported from.
        factory: What is found there.
        arguments: By name; files and folders among them count by their content, not their place, in the hash.
        energy_scale: Which energies it was trained on.
    """

    def __init__(
        self, path: str, factory: Callable[..., Any], arguments: dict[str, Any], energy_scale: str | None
    ) -> None:
        version = _version(path)
        self.path, self.factory, self.arguments = path, factory, arguments
        self.name = f"{path}-{version}" if version else path
        self.weights_hash = stamp(path, version, {name: _content(value) for name, value in arguments.items()})
        self.atomic_numbers = frozenset(range(1, 119))
        self.energy_scale = energy_scale

    def evaluator(self, device: torch.device) -> AseEvaluator:
        """A new calculator, which is told the device if it takes an argument of that name.

        Raises:
            ValueError: What the import path gives is no ASE calculator.
        """
        told = {"device": str(device)} if "device" in inspect.signature(self.factory).parameters else {}
        calculator = self.factory(**told | self.arguments)
        if not hasattr(calculator, "get_potential_energy"):
            kind = type(calculator).__name__
            raise ValueError(f"{self.path!r} gives a {kind}, not an ASE calculator with a get_potential_energy")
        return AseEvaluator(calculator, device)


def load(path: str, /, energy_scale: str | None = None, **arguments: Any) -> AsePotential:
    """The ASE calculator at an import path, such as `ase.calculators.emt.EMT` or `mace.calculators.mace_mp`.

    Args:
        path: Of a class, or of a function that returns a calculator.
        energy_scale: Which energies it was trained on, if that is known.
        arguments: For the class or function.

    Raises:
        ValueError: It cannot be imported, or does not take these arguments.
    """
    factory = _imported(path)
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        raise ValueError(f"the ASE calculator {path!r} does not take these arguments: {error}") from error
    return AsePotential(path, factory, arguments, energy_scale)


def _imported(path: str) -> Callable[..., Any]:
    """What lies at an import path, with a reason in plain words where it is nothing that can be called."""
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(
            f"the ASE calculator {path!r} cannot be imported, is its package installed? {error}"
        ) from error
    if not hasattr(module, name):
        nearest = difflib.get_close_matches(name, dir(module), n=1)
        hint = f": the nearest name is {nearest[0]!r}" if nearest else ""
        raise ValueError(f"the module {module_name!r} has no {name!r}{hint}")
    factory = getattr(module, name)
    if not callable(factory):
        raise ValueError(f"{path!r} is a {type(factory).__name__}: name a class, or a function that gives a calculator")
    return factory


def _version(path: str) -> str:
    """Of the distribution that the import path belongs to, or a hash of the file that it lies in."""
    distributions = metadata.packages_distributions().get(path.partition(".")[0], [])
    if distributions:
        return metadata.version(distributions[0])
    file = sys.modules[path.rpartition(".")[0]].__file__
    return file_hash(Path(file))[:12] if file else ""


def _content(value: Any) -> Any:
    """What an argument means: the content of the file or folder it names, and else itself."""
    if not isinstance(value, str | Path):
        return value
    if os.path.isdir(value):
        files = sorted(file for file in Path(value).rglob("*") if file.is_file())
        return [[file.relative_to(value).as_posix(), file_hash(file)] for file in files]
    return file_hash(Path(value)) if os.path.isfile(value) else str(value)
