"""What surrounds the atoms of a crystal, as 61 numbers: the mean of matminer's CrystalNN fingerprint over its atoms.

They equal `CrystalNNFingerprint.from_preset("ops")` of matminer, which takes some ten times as long. Atoms whose
Voronoi cell has a face without area, as overlapping atoms may have, are left to matminer itself.
"""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from pymatgen.core import Lattice

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.evaluation.bond_angles import BondAngles
from sunflow.evaluation.local_order import MAX_BONDS, order_parameters
from sunflow.evaluation.near_neighbors import Coordination, DegenerateError, coordination
from sunflow.evaluation.validity import MIN_VOLUME
from sunflow.evaluation.vectors import length
from sunflow.evaluation.voronoi_faces import simple_faces, voronoi_faces

MOST_NEIGHBORS = 24
"""The largest coordination number that has features."""
FAILURES = (ValueError, ArithmeticError, RuntimeError, TypeError, LookupError)
"""What matminer, pymatgen and Qhull raise over what is no crystal."""


def structure_fingerprint(crystal: Crystal) -> np.ndarray:
    """The fingerprint of a crystal, (61,): the mean over its atoms.

    Raises:
        ValueError: There is none; the message says why.
    """
    try:
        return site_fingerprints(crystal).mean(axis=0)
    except FAILURES as error:
        raise ValueError(f"{crystal.crystal_id} has no structure fingerprint: {error}") from error


def site_fingerprints(crystal: Crystal) -> np.ndarray:
    """The fingerprints of its atoms, (atoms, 61).

    Raises:
        ValueError: It is no crystal, or an atom has no Voronoi cell or no radius.
    """
    _check(crystal)
    fingerprints = np.zeros((crystal.num_atoms, first_features()[-1]))
    shells: dict[int, Coordination] = {}
    lattice = Lattice(crystal.lattice)
    for site in range(crystal.num_atoms):
        try:
            shells[site] = _coordination(crystal, lattice, site)
        except DegenerateError:
            fingerprints[site] = _by_matminer(crystal, site)
    _fill(fingerprints, shells)
    return fingerprints


@cache
def first_features() -> list[int]:
    """Where the features of every coordination number begin, and last how many features there are.

    First comes the number's weight, then its order parameters, times that weight.
    """
    return list(accumulate((1 + len(order_parameters(n)) for n in range(1, MOST_NEIGHBORS + 1)), initial=0))


def _check(crystal: Crystal) -> None:
    if not crystal.num_atoms:
        raise ValueError("it has no atoms")
    if not (np.isfinite(crystal.lattice).all() and np.isfinite(crystal.frac_coords).all()):
        raise ValueError("a coordinate is not a number")
    if crystal.volume < MIN_VOLUME:
        raise ValueError(f"its cell has less than {MIN_VOLUME:g} Å³")


def _coordination(crystal: Crystal, lattice: Lattice, site: int) -> Coordination:
    """By the cheap way where it is certain to say the same."""
    center = lattice.get_cartesian_coords(crystal.frac_coords[site])
    faces = simple_faces(lattice, crystal.frac_coords, site)
    if faces is not None:
        cheap = coordination(faces, crystal.atomic_numbers, site, center)
        if cheap.is_clear:
            return cheap
    faces = voronoi_faces(lattice, crystal.frac_coords, site)
    return coordination(faces, crystal.atomic_numbers, site, center)


def _fill(fingerprints: np.ndarray, shells: Mapping[int, Coordination]) -> None:
    """Write the features of some atoms, those with as many neighbours together."""
    sites_with = defaultdict(list)
    for site, shell in shells.items():
        for number in shell.weights:
            sites_with[number].append(site)
    angles = BondAngles.between(_directions(list(shells.values())))
    row_of = {site: row for row, site in enumerate(shells)}
    for number in range(1, MOST_NEIGHBORS + 1):
        if sites := sites_with[number]:
            column = first_features()[number - 1]
            weights = np.array([shells[site].weights[number] for site in sites])
            fingerprints[sites, column] = weights
            among = angles.first(number, [row_of[site] for site in sites])
            for offset, order in enumerate(order_parameters(number), start=1):
                fingerprints[sites, column + offset] = weights * order(among)


def _directions(shells: Sequence[Coordination]) -> np.ndarray:
    """(atoms, bonds, 3) unit vectors to the nearest neighbours, as many as order parameters ask for; the rest is z."""
    most = max((min(len(shell.vectors), MAX_BONDS) for shell in shells), default=0)
    directions = np.tile([0.0, 0.0, 1.0], (len(shells), most, 1))
    for row, shell in enumerate(shells):
        vectors = shell.vectors[:most]
        directions[row, : len(vectors)] = vectors / length(vectors)[:, None]
    return directions


def _by_matminer(crystal: Crystal, site: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array(_featurizer().featurize(to_structure(crystal), site))


@cache
def _featurizer() -> Any:
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    return CrystalNNFingerprint.from_preset("ops")
