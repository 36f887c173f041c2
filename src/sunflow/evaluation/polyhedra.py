"""Order parameters of polyhedra: how well the bonds of an atom fit one, in the best of all orientations.

A polyhedron's constants are pymatgen's, as is its definition (Zimmermann and Jain, 2020).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sunflow.evaluation.bond_angles import SEE_SAW, BondAngles

Parameters = Mapping[str | int, float]
Bell = Callable[[np.ndarray], np.ndarray]
SMALL = 1e-12


@dataclass(frozen=True)
class Polyhedron:
    """The largest agreement with a polyhedron, of all orientations that two bonds give.

    With bond j on the polar axis and bond k on the prime meridian, the agreement is the mean of `bell` at k's polar
    angle and of every other bond's contribution: near the South pole a bell there, elsewhere `bell` at its polar angle
    times cos² of a multiple of its azimuth.

    Attributes:
        bell: Agreement of polar angles, in [0, 1].
        azimuth_factor: Of the azimuth.
        south: Polar angle (radians) where the South pole's region begins.
        south_sharpness: Of the bell at the South pole, per π.
        max_azimuth: Bonds with a larger one, in radians, do not count.
    """

    bell: Bell
    azimuth_factor: float
    south: float = math.inf
    south_sharpness: float = 0.0
    max_azimuth: float = math.inf

    @classmethod
    def of(cls, kind: str, parameters: Parameters) -> "Polyhedron":
        """That of a kind of pymatgen's, with its parameters."""
        bells = {"pent_plan_max": _pentagon_bell, "hex_plan_max": _hexagon_bell}
        target, sharpness = parameters.get("TA", 0.5), parameters.get("IGW_TA") or parameters["IGW_EP"]
        return cls(
            bells.get(kind, bell_at)(target, sharpness),
            parameters.get("fac_AA", 1.0),
            parameters.get("min_SPP", math.inf),
            parameters.get("IGW_SPP", 0.0),
            SEE_SAW if kind == "see_saw_rect" else math.inf,
        )

    def __call__(self, angles: BondAngles) -> np.ndarray:
        """The order parameters of (atoms,)."""
        near = angles.polar < self.south
        bell = self.bell(angles.polar)
        on_meridian = near & angles.pairs
        around = near & angles.off_axis
        counted = angles.triples & (angles.azimuth < self.max_azimuth)
        waves = np.where(counted, np.cos(self.azimuth_factor * angles.azimuth) ** 2, 0.0)
        value = np.where(on_meridian, bell, 0.0) + around * sum_over_third(waves, around * bell)
        number = on_meridian + around * sum_over_third(counted, around)
        if self.south < math.pi:
            poles = bell_at(1.0, self.south_sharpness)(angles.polar)
            value += angles.off_axis * sum_over_third(angles.triples, np.where(near, 0.0, poles))
            number += angles.off_axis * sum_over_third(angles.triples, ~near)
        return largest_mean(value, number)


def bell_at(target: float, sharpness: float) -> Bell:
    """A Gaussian around an angle; the target is a fraction of π."""
    return lambda polar: np.exp(-0.5 * (sharpness * (polar / math.pi - target)) ** 2)


def _pentagon_bell(target: float, sharpness: float) -> Bell:
    """Around 72° for angles up to the target, around 144° beyond."""
    near, far = bell_at(0.4, sharpness), bell_at(0.8, sharpness)
    return lambda polar: np.where(polar <= target * math.pi, near(polar), far(polar))


def _hexagon_bell(target: float, sharpness: float) -> Bell:
    """Around the angles that lie this far from 90°."""
    return lambda polar: np.exp(-0.5 * (sharpness * (np.abs(polar / math.pi - 0.5) - target)) ** 2)


def sum_over_third(weights: np.ndarray, of_third: np.ndarray) -> np.ndarray:
    """Sum over m of weights[j, k, m] · of_third[j, m]."""
    return np.matmul(weights.astype(np.float64), of_third.astype(np.float64)[..., None])[..., 0]


def largest_mean(value: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The largest of all orientations' means, none of which is negative; one without contributions has 0."""
    some = number > SMALL
    return np.where(some, value / np.where(some, number, 1.0), 0.0).max(axis=(1, 2))
