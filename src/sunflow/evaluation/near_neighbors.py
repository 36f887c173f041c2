"""How many near neighbours an atom has, as weights of every number, by CrystalNN (Pan et al., 2021)."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from pymatgen.core import Element
from pymatgen.core.local_env import CovalentRadius

from sunflow.evaluation.vectors import length
from sunflow.evaluation.voronoi_faces import Faces

ELECTRONEGATIVITY_WEIGHT = 3.0
LARGEST_DIFFERENCE = 3.3
"""Of Pauling's electronegativities."""
BONDED, NOT_BONDED = 0.5, 1.0
"""Å beyond the sum of the covalent radii: up to the first distances count fully, from the second on not at all."""
DIGITS = 3
"""To which the shares of neighbours are rounded."""
DOUBT = 1e-9
ORDERED_BONDS = 8


@dataclass(frozen=True)
class Coordination:
    """The neighbours of an atom, nearest first, and how likely they are its nearest shell.

    Attributes:
        vectors: (neighbours, 3) from the atom to them, in Å.
        weights: Number of neighbours → its weight in [0, 1]; the weights add up to at most 1.
        shares: Of every neighbour in the shell, before they are rounded; in falling order.
    """

    vectors: np.ndarray
    weights: dict[int, float]
    shares: np.ndarray

    @property
    def is_clear(self) -> bool:
        """Whether errors of 1e-9 in the shares could change neither the numbers nor an order parameter.

        They could where a share lies between two that it may be rounded to, and, since the order parameter of eight
        bonds depends on their order, where two of those have the same.
        """
        steps = self.shares * 10**DIGITS
        rounded_alike = np.abs(steps - np.floor(steps) - 0.5) > DOUBT * 10**DIGITS
        ordered = np.diff(self.shares[:ORDERED_BONDS]) < -DOUBT
        return bool(rounded_alike.all() and (ORDERED_BONDS not in self.weights or ordered.all()))


class DegenerateError(ArithmeticError):
    """A face without area, or a neighbour at no distance."""


def coordination(faces: Faces, atomic_numbers: np.ndarray, site: int, center: np.ndarray) -> Coordination:
    """The coordination of an atom at `center` (Å), which the faces surround.

    Raises:
        ValueError: An element has no radius.
        DegenerateError: The weights are not numbers.
    """
    vectors = faces.coords - center
    weights = _face_weights(faces, atomic_numbers, site)
    distances = length(vectors)
    if not np.isfinite(weights).all() or not weights.any() or not distances.all():
        raise DegenerateError(f"the Voronoi cell of atom {site} is degenerate")
    order = np.argsort(-weights, kind="stable")
    weights = weights[order] / weights[order[0]]
    weights *= _distance_weights(distances[order], int(atomic_numbers[site]), atomic_numbers[faces.atoms[order]])
    again = np.argsort(-weights, kind="stable")
    shares = weights[again]
    rounded = np.round(shares, DIGITS)
    kept = rounded > 0
    return Coordination(vectors[order[again]][kept], _number_weights(rounded[kept].tolist()), shares)


def _face_weights(faces: Faces, atomic_numbers: np.ndarray, site: int) -> np.ndarray:
    """Solid angles, made smaller where a face is far away, larger where electronegativities differ."""
    own = electronegativity(int(atomic_numbers[site]))
    others = np.array([electronegativity(z) for z in atomic_numbers[faces.atoms].tolist()])
    chemistry = 1 + ELECTRONEGATIVITY_WEIGHT * np.sqrt(np.abs(own - others) / LARGEST_DIFFERENCE)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = faces.solid_angle / faces.solid_angle.max() * (faces.solid_angle / faces.area)
    return weights * np.where(np.isnan(chemistry), 1.0, chemistry)


def _distance_weights(distances: np.ndarray, own: int, others: np.ndarray) -> np.ndarray:
    """1 for bonded atoms, 0 for those that are too far away, and half a wave between."""
    low = covalent_radius(own) + np.array([covalent_radius(z) for z in others.tolist()])
    low, high = low + BONDED, low + NOT_BONDED
    wave = (np.cos((distances - low) / (high - low) * math.pi) + 1) * 0.5
    return np.where(distances <= low, 1.0, np.where(distances < high, wave, 0.0))


def _number_weights(weights: Sequence[float]) -> dict[int, float]:
    """Weights of numbers of neighbours, from the weights of neighbours in falling order.

    Neighbours of equal weight come together. The weight of n neighbours is the share of a quarter circle's area between
    the weight of the last of them and that of the next.
    """
    steps = [n for n, (weight, after) in enumerate(pairwise([*weights, 0.0]), 1) if weight > after]
    bounds = [*(weights[n - 1] for n in steps), 0.0]
    return {n: _quarter_circle(bounds[i]) - _quarter_circle(bounds[i + 1]) for i, n in enumerate(steps)}


def _quarter_circle(x: float) -> float:
    """The share of a quarter of the unit circle between 0 and x."""
    return (x * math.sqrt(1 - x * x) + math.asin(x)) * 2 / math.pi


@cache
def electronegativity(atomic_number: int) -> float:
    """Pauling's, or NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(Element.from_Z(atomic_number).X)


@cache
def covalent_radius(atomic_number: int) -> float:
    """Covalent radius in Å, or the atomic radius of elements that have none.

    Raises:
        ValueError: It has neither.
    """
    element = Element.from_Z(atomic_number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        radius = CovalentRadius.radius.get(element.symbol) or element.atomic_radius
    if radius is None:
        raise ValueError(f"{element.symbol} has neither a covalent nor an atomic radius")
    return float(radius)
