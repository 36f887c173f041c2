"""The angles between the bonds of atoms, as pymatgen's local order parameters use them.

Order parameters jump at some angles, 135° and 90° among them, which crystals do have. So what is compared with such a
bound comes from pymatgen's floating-point operations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sunflow.evaluation.vectors import length

PARALLEL = 1e-12
"""A bond whose part perpendicular to the axis is shorter, as a share of its length, has no azimuth."""
SEE_SAW = 0.75 * math.pi
"""The azimuth at which an order parameter jumps, in radians."""
NEAR = 1e-9
"""Radians; far more than any two arc cosines differ."""


@dataclass(frozen=True)
class BondAngles:
    """Angles around some atoms, each of which has the same number of bonds.

    Bond j is put on the polar axis; bond k has the polar angle [j, k] and lies on the prime meridian, to which bond m
    has the azimuth [j, k, m].

    Attributes:
        directions: (atoms, bonds, 3) unit vectors.
        polar: (atoms, bonds, bonds) in radians; 0 on the diagonal.
        azimuth: (atoms, bonds, bonds, bonds) in radians, from 0 to π.
        off_axis: (atoms, bonds, bonds) whether bond k is not parallel to bond j.
    """

    directions: np.ndarray
    polar: np.ndarray
    azimuth: np.ndarray
    off_axis: np.ndarray

    @classmethod
    def between(cls, directions: np.ndarray) -> "BondAngles":
        """Those between the bonds of these unit vectors (atoms, bonds, 3)."""
        axis, bond = directions[:, :, None], directions[:, None, :]
        cosines = np.vecdot(axis, bond)
        across = bond - (cosines / np.vecdot(axis, axis))[..., None] * axis
        lengths = length(across)
        off_axis = (lengths >= PARALLEL) & ~np.eye(directions.shape[1], dtype=bool)
        meridian = across / np.where(off_axis, lengths, 1.0)[..., None]
        azimuth = _arccos(np.vecdot(meridian[:, :, :, None], meridian[:, :, None, :]))
        return cls(directions, _exact_arccos(np.clip(cosines, -1.0, 1.0)), azimuth, off_axis)

    def first(self, bonds: int, atoms: Sequence[int]) -> "BondAngles":
        """Those between the first bonds of some atoms."""
        n, chosen = slice(bonds), list(atoms)
        return BondAngles(
            self.directions[chosen, n],
            self.polar[chosen, n, n],
            self.azimuth[chosen, n, n, n],
            self.off_axis[chosen, n, n],
        )

    @property
    def num_bonds(self) -> int:
        """How many bonds each atom has."""
        return self.directions.shape[1]

    @cached_property
    def pairs(self) -> np.ndarray:
        """(bonds, bonds) where two bonds differ."""
        return ~np.eye(self.num_bonds, dtype=bool)

    @cached_property
    def triples(self) -> np.ndarray:
        """(bonds, bonds, bonds) where three bonds differ."""
        return self.pairs[:, :, None] & self.pairs[:, None, :] & self.pairs[None, :, :]


def _arccos(cosines: np.ndarray) -> np.ndarray:
    """By numpy, but where a bound is near."""
    clipped = np.clip(cosines, -1.0, 1.0)
    angles = np.arccos(clipped)
    near = np.abs(angles - SEE_SAW) < NEAR
    angles[near] = _exact_arccos(clipped[near])
    return angles


def _exact_arccos(cosines: np.ndarray) -> np.ndarray:
    """By the C library, one by one, which differs from numpy's in the last bit."""
    return np.array([math.acos(cosine) for cosine in cosines.ravel().tolist()]).reshape(cosines.shape)
