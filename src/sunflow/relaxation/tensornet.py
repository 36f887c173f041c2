"""TensorNet as published for matgl 2.0 (MatPES): its folder, its name and whether its energies are the known ones."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sunflow.provenance import file_hash, stamp
from sunflow.relaxation.known_energies import why_wrong

if TYPE_CHECKING:
    from sunflow.relaxation.tensornet_evaluator import TensorNetEvaluator

FILES = ("model.json", "model.pt", "state.pt")
ENERGY_SCALES = {"MatPES-PBE": "MatPES PBE", "MatPES-r2SCAN": "MatPES r2SCAN"}
"""Part of a model's name → the energies it was trained on; they carry no corrections of the Materials Project."""


class TensorNet:
    """The potential; its network is built when an evaluator is asked for."""

    def __init__(self, folder: Path, element_types: Sequence[str]) -> None:
        from ase.data import atomic_numbers

        self.folder = folder
        self.name = folder.name.removesuffix("-PES")
        self.weights_hash = stamp(*(file_hash(folder / file) for file in FILES))
        self.atomic_numbers = frozenset(atomic_numbers[symbol] for symbol in element_types)
        self.energy_scale = next((scale for part, scale in ENERGY_SCALES.items() if part in self.name), None)

    def evaluator(self, device: torch.device) -> "TensorNetEvaluator":
        """The network on a device, after it has given the energies that are known of these weights.

        Raises:
            ValueError: It gives others, or none are known of these weights.
        """
        from sunflow.relaxation.tensornet_evaluator import TensorNetEvaluator

        evaluator = TensorNetEvaluator(self.folder, device)
        if reason := why_wrong(self.name, evaluator):
            evaluator.swap_ends_of_bonds()
            if why_wrong(self.name, evaluator):
                raise ValueError(f"matgl misreads {self.folder}, with the ends of bonds swapped as well: {reason}")
        return evaluator


def load(weights: str) -> TensorNet:
    """A model in matgl's format, such as `TensorNet-MatPES-PBE-v2025.1-PES`; its folder's name is its name.

    Args:
        weights: The folder with its model.json, model.pt and state.pt.

    Raises:
        FileNotFoundError: The folder or a file is missing.
        ValueError: It is another model, or matgl is not installed.
    """
    folder = Path(weights).resolve()
    if missing := [file for file in FILES if not (folder / file).is_file()]:
        raise FileNotFoundError(f"no {', '.join(missing)} in {folder}: give the folder of a model of matgl as weights")
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    model = description["kwargs"].get("model", description)
    if model["@class"] != "TensorNet":
        raise ValueError(f"the model in {folder} is a {model['@class']}: only a TensorNet can be used")
    if find_spec("matgl") is None:
        raise ValueError("TensorNet needs the package matgl, which is not installed: pip install matgl==4.1.2")
    return TensorNet(folder, model["init_args"]["element_types"])
