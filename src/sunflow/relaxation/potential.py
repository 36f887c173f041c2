"""What a machine-learned potential offers to the relaxer."""

import difflib
import importlib
from typing import Any, Protocol, runtime_checkable

POTENTIALS = {
    "chgnet": "sunflow.relaxation.chgnet",
}
"""Name in the configuration → module with a function `load`."""


class EvaluationError(Exception):
    """The potential has no energy for this arrangement of atoms; the message is the reason, for people."""


@runtime_checkable
class Potential(Protocol):
    """Energies, forces and stresses of crystals.

    Attributes:
        name: Name and version, as written into results.
        weights_hash: SHA-256 of the weights; energies of different weights must not meet in one hull.
        atomic_numbers: The elements it knows.
    """

    name: str
    weights_hash: str
    atomic_numbers: frozenset[int]

    def calculator(self) -> Any:
        """A new ASE calculator that raises `EvaluationError` where the potential has no energy."""
        ...


def load_potential(name: str) -> Potential:
    """The potential that the configuration calls `name`.

    Raises:
        ValueError: There is no such potential.
    """
    if name not in POTENTIALS:
        nearest = difflib.get_close_matches(name, POTENTIALS, n=1) or list(POTENTIALS)
        raise ValueError(f"no potential is called {name!r}: the nearest name is {nearest[0]!r}")
    return importlib.import_module(POTENTIALS[name]).load()
