"""Does every real crystal have a generated one like it, and every generated one a real one (CDVAE)?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from sunflow.evaluation.bootstrap import bootstrap_interval
from sunflow.evaluation.rates import wilson_interval

ROWS_AT_ONCE = 512
"""Distances to all others that are held in memory together."""


@dataclass(frozen=True)
class Cutoffs:
    """Euclidean distances of fingerprints up to which two crystals are alike."""

    structure: float
    composition: float


CUTOFFS = {"mp20": Cutoffs(0.4, 10.0), "carbon24": Cutoffs(0.2, 4.0), "perov5": Cutoffs(0.2, 4.0)}
"""Of the datasets that the metric was published for; others take those of MP-20."""


@dataclass(frozen=True)
class Fingerprints:
    """Of the crystals of a set that have them.

    Attributes:
        structure: (crystals, 61).
        composition: (crystals, 132).
        num_requested: Crystals of the set, those without fingerprints among them.
    """

    structure: np.ndarray
    composition: np.ndarray
    num_requested: int


def coverage(generated: Fingerprints, reference: Fingerprints, cutoffs: Cutoffs, seed: int) -> dict[str, Any]:
    """Recall and precision, average minimum distances (AMSD of structures, AMCD of compositions), and their intervals.

    Recall is the share of reference crystals whose nearest generated structure and nearest generated composition lie
    within the cutoffs, be they of one generated crystal or of two; precision exchanges the roles. Crystals without
    fingerprints count among those asked for, and are never covered. Rates have Wilson's interval, means bootstrap's.
    """
    random = np.random.default_rng(seed)
    row: dict[str, Any] = {}
    for name, points, others in (("recall", reference, generated), ("precision", generated, reference)):
        structure = nearest_distances(points.structure, others.structure)
        composition = nearest_distances(points.composition, others.composition)
        covered = int(((structure <= cutoffs.structure) & (composition <= cutoffs.composition)).sum())
        row[name] = covered / points.num_requested
        row[f"{name}_low"], row[f"{name}_high"] = wilson_interval(covered, points.num_requested)
        row |= _mean(f"amsd_{name}", structure, random) | _mean(f"amcd_{name}", composition, random)
    return row


def _mean(name: str, distances: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    """The mean and its interval; nothing where there is no distance."""
    if not np.isfinite(distances).all() or not len(distances):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    low, high = bootstrap_interval(np.mean, [distances], random)
    return {name: float(distances.mean()), f"{name}_low": low, f"{name}_high": high}


def nearest_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(points,) The Euclidean distance of every point to the nearest of the others; infinite where there is none."""
    if not len(others):
        return np.full(len(points), np.inf)
    return np.concatenate([np.empty(0), *_nearest(points, others)])


def _nearest(points: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(points), ROWS_AT_ONCE):
        yield cdist(points[start : start + ROWS_AT_ONCE], others).min(axis=1)
