"""What a machine-learned potential offers to the relaxer."""

import difflib
import importlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.registry import POTENTIALS, is_import_path
from sunflow.relaxation.geometry import Geometry

LOWEST_ENERGY = -20.0
"""eV/atom; with the usual pseudopotentials the deepest elements, tungsten and rhenium, have about -13."""


@dataclass(frozen=True)
class Evaluation:
    """Energies and their derivatives.

    Attributes:
        energies: Total energies, in eV.
        forces: On every atom, in eV/Å.
        stresses: Derivative of the energy to the strain over the volume, in eV/Å³, symmetric; tension is positive.
        refusals: Reason by index of the crystals for which the potential has no energy; their values mean nothing.
    """

    energies: Float64[Tensor, " crystals"]
    forces: Float64[Tensor, "atoms 3"]
    stresses: Float64[Tensor, "crystals 3 3"]
    refusals: dict[int, str]


def collapsed(energies_per_atom: Float64[Tensor, " crystals"]) -> dict[int, str]:
    """Refusals for crystals that have fallen into a hole which a network has where it has seen no data."""
    too_low = (energies_per_atom < LOWEST_ENERGY).nonzero().squeeze(1).tolist()
    return {
        index: f"energy collapse: {energies_per_atom[index]:.4g} eV/atom, lower than any crystal's" for index in too_low
    }


@runtime_checkable
class Evaluator(Protocol):
    """A potential ready to work in this process, that may remember neighbour lists between calls.

    Attributes:
        device: Where its tensors live.
    """

    device: torch.device

    def evaluate(self, geometry: Geometry) -> Evaluation:
        """Energies, forces and stresses of all crystals; none depends on what else is in the batch."""
        ...

    def size(self, crystal: Crystal) -> float:
        """How much work and memory a crystal takes, in bonds."""
        ...


@runtime_checkable
class Potential(Protocol):
    """Energies, forces and stresses of crystals.

    Attributes:
        name: Name and version, as written into results.
        weights_hash: SHA-256 of the weights; energies of different weights must not meet in one hull.
        atomic_numbers: The elements it knows.
        energy_scale: Which energies it was trained on, such as `registry.MP2020`; None where that is not known.
    """

    name: str
    weights_hash: str
    atomic_numbers: frozenset[int]
    energy_scale: str | None

    def evaluator(self, device: torch.device) -> Evaluator:
        """A new evaluator on a device."""
        ...


def load_potential(name: str, arguments: dict[str, Any] | None = None) -> Potential:
    """The potential that the configuration calls `name`, or the ASE calculator at this import path.

    Args:
        name: As in the configuration.
        arguments: What its `load` takes, such as `weights`.

    Raises:
        ValueError: There is no such potential, or it does not take these arguments.
        FileNotFoundError: Its weights are missing.
    """
    arguments = arguments or {}
    if is_import_path(name):
        from sunflow.relaxation.ase_potential import load

        return load(name, **arguments)
    if name not in POTENTIALS:
        nearest = difflib.get_close_matches(name, POTENTIALS, n=1) or list(POTENTIALS)
        raise ValueError(f"no potential is called {name!r}: the nearest name is {nearest[0]!r}")
    try:
        return importlib.import_module(POTENTIALS[name]).load(**arguments)
    except TypeError as error:
        raise ValueError(f"the potential {name!r} does not take these arguments: {error}") from error
