"""Does a crystal look like one?"""

import itertools

import numpy as np
from pymatgen.core import Lattice

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS

MIN_DISTANCE = 0.5
"""Å between two atoms (CDVAE)."""
MIN_VOLUME = 0.1
"""Å³ of the cell (CDVAE)."""


def defect(crystal: Crystal) -> str:
    """Why there is no crystal to judge; empty where there is one."""
    if crystal.status == "failed" or not crystal.num_atoms:
        return crystal.reason or "no atoms"
    if not (np.isfinite(crystal.lattice).all() and np.isfinite(crystal.frac_coords).all()):
        return "the crystal's numbers are not finite"
    if unknown := [z for z in np.unique(crystal.atomic_numbers).tolist() if not 1 <= z <= len(SYMBOLS)]:
        return f"atomic number {unknown[0]} is no element"
    return f"the cell has less than {MIN_VOLUME:g} Å³" if crystal.volume < MIN_VOLUME else ""


def geometry_valid(crystal: Crystal) -> bool:
    """Whether no two atoms are closer than 0.5 Å and the cell has at least 0.1 Å³.

    CDVAE's rule: distances are those between different atoms of the cell, over all their periodic images; an atom and
    its own images are not compared. A crystal without atoms or with numbers that are not finite is not valid.
    """
    if defect(crystal):
        return False
    distances = Lattice(crystal.lattice).get_all_distances(crystal.frac_coords, crystal.frac_coords)
    return bool((distances + np.diag(np.full(crystal.num_atoms, np.inf)) >= MIN_DISTANCE).all())


def images_apart(crystal: Crystal) -> bool:
    """Whether no atom is closer than 0.5 Å to its own periodic images, which `geometry_valid` does not ask.

    The shortest translation of the lattice is among the sums of up to two of each vector of an LLL-reduced basis.
    """
    if defect(crystal):
        return False
    basis = Lattice(crystal.lattice).get_lll_reduced_lattice().matrix
    sums = np.array([places for places in itertools.product(range(-2, 3), repeat=3) if any(places)])
    return bool(np.linalg.norm(sums @ basis, axis=1).min() >= MIN_DISTANCE)
