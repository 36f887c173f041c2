"""One crystal, with its identity and what became of it."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Status = Literal["ok", "not_converged", "failed"]
Property = float | int | str | bool | None


@dataclass(frozen=True)
class Crystal:
    """A periodic arrangement of atoms.

    Attributes:
        crystal_id: Stable name, unique within a file.
        lattice: (3, 3) matrix in Å whose rows are the lattice vectors.
        frac_coords: (atoms, 3) fractional coordinates in [0, 1).
        atomic_numbers: (atoms,) integers.
        status: `ok`, `not_converged` or `failed`.
        reason: Why the status is not `ok`, for people; empty otherwise.
        properties: Named values (eV, eV/atom, Å, degrees).
    """

    crystal_id: str
    lattice: np.ndarray
    frac_coords: np.ndarray
    atomic_numbers: np.ndarray
    status: Status = "ok"
    reason: str = ""
    properties: dict[str, Property] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lattice", np.asarray(self.lattice, dtype=np.float64).reshape(3, 3))
        object.__setattr__(self, "frac_coords", np.asarray(self.frac_coords, dtype=np.float64).reshape(-1, 3))
        object.__setattr__(self, "atomic_numbers", np.asarray(self.atomic_numbers, dtype=np.int64))
        if len(self.frac_coords) != len(self.atomic_numbers):
            raise ValueError(
                f"{self.crystal_id}: {len(self.frac_coords)} positions but {len(self.atomic_numbers)} atomic numbers"
            )

    @classmethod
    def failure(cls, crystal_id: str, reason: str, **properties: Property) -> "Crystal":
        """A crystal that could not be made: no atoms, but a row that says why."""
        return cls(crystal_id, np.full((3, 3), np.nan), np.empty((0, 3)), np.empty(0), "failed", reason, properties)

    @property
    def num_atoms(self) -> int:
        """How many atoms the cell holds."""
        return len(self.atomic_numbers)

    @property
    def is_asymmetric_unit(self) -> bool:
        """Whether it holds one atom per orbit, whose Wyckoff letters are among its properties."""
        return "wyckoff" in self.properties

    @property
    def volume(self) -> float:
        """Volume of the cell in Å³."""
        return float(abs(np.linalg.det(self.lattice)))

    def failed(self, reason: str) -> "Crystal":
        """The same crystal, marked as failed for this reason."""
        return replace(self, status="failed", reason=reason)

    def with_properties(self, **properties: Property) -> "Crystal":
        """The same crystal with these properties added."""
        return replace(self, properties={**self.properties, **properties})

    def to_record(self) -> dict[str, Any]:
        """Plain Python values, as in a row of a file."""
        return {
            "crystal_id": self.crystal_id,
            "status": self.status,
            "reason": self.reason,
            "lattice": self.lattice.ravel().tolist(),
            "frac_coords": self.frac_coords.ravel().tolist(),
            "atomic_numbers": self.atomic_numbers.tolist(),
            **self.properties,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Crystal":
        """The crystal of a row."""
        names, arrays = ("crystal_id", "status", "reason"), ("lattice", "frac_coords", "atomic_numbers")
        properties = {name: value for name, value in record.items() if name not in names + arrays}
        values: dict[str, Any] = {name: record[name] for name in names}
        values |= {name: np.asarray(record[name]) for name in arrays}
        return cls(**values, properties=properties)


def wrapped(frac_coords: np.ndarray) -> np.ndarray:
    """Fractional coordinates moved into [0, 1); where rounding gives 1.0, that is 0.0."""
    inside = np.mod(frac_coords, 1.0)
    inside[inside == 1.0] = 0.0
    return inside
