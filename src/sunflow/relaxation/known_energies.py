"""Weights may load without an error and still be read wrongly: whether a potential gives energies that are known."""

import numpy as np
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.potential import Evaluator

TOLERANCE = 0.005
"""eV/atom; weights that are read wrongly are off by tenths, rounding is not."""
FACE_CENTRED = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
CRYSTALS = {
    "NaCl": Crystal("NaCl", 5.69 * FACE_CENTRED, np.array([[0, 0, 0], [0.5] * 3]), np.array([11, 17])),
    "SrTiO3": Crystal(
        "SrTiO3",
        3.94 * np.eye(3),
        np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]),
        np.array([38, 22, 8, 8, 8]),
    ),
    "Si": Crystal("Si", 5.43 * FACE_CENTRED, np.array([[0, 0, 0], [0.25] * 3]), np.array([14, 14])),
}
"""Rock salt of 5.69 Å, cubic perovskite of 3.94 Å, diamond structure of 5.43 Å: two compounds and an element."""
KNOWN_ENERGIES = {
    "chgnet-0.3.0": {"NaCl": -3.668, "SrTiO3": -8.424, "Si": -5.312},
    "TensorNet-MatPES-PBE-v2025.1": {"NaCl": -3.358, "SrTiO3": -7.961, "Si": -5.241},
}
"""eV/atom, by the name of the potential; from chgnet 0.4.2, and from matgl 2.0.4, for which the weights were made."""


def measured_energies(evaluator: Evaluator) -> dict[str, float]:
    """The energies that an evaluator gives to the known crystals, in eV/atom."""
    geometry = Geometry.of(list(CRYSTALS.values()), torch.device(evaluator.device))
    energies = evaluator.evaluate(geometry).energies / geometry.num_atoms
    return dict(zip(CRYSTALS, energies.tolist(), strict=True))


def why_wrong(potential_name: str, evaluator: Evaluator) -> str:
    """Which energies are not those known of this potential, as a phrase; empty if they are.

    Raises:
        ValueError: No energies are known of a potential of this name.
    """
    if potential_name not in KNOWN_ENERGIES:
        known = " and ".join(KNOWN_ENERGIES)
        raise ValueError(f"no energies are known by which to test {potential_name!r}, only those of {known}")
    expected, measured = KNOWN_ENERGIES[potential_name], measured_energies(evaluator)
    if all(abs(measured[name] - expected[name]) < TOLERANCE for name in expected):
        return ""
    compared = ", ".join(f"{name} {measured[name]:.3f} instead of {expected[name]:.3f}" for name in expected)
    return f"wrong energies in eV/atom: {compared}"


def refuse_wrong_energies(potential_name: str, evaluator: Evaluator) -> None:
    """Pass a potential that gives the energies known of it.

    Raises:
        ValueError: It gives others, or none are known of a potential of this name.
    """
    if reason := why_wrong(potential_name, evaluator):
        raise ValueError(f"the weights of {potential_name} are not read as they were meant: {reason}")
