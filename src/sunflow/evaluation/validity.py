"""Does a crystal look like one?"""

import numpy as np
from pymatgen.core import Lattice

from sunflow.crystals.crystal import Crystal

MIN_DISTANCE = 0.5
"""Å between two atoms (CDVAE)."""
MIN_VOLUME = 0.1
"""Å³ of the cell (CDVAE)."""


def geometry_valid(crystal: Crystal) -> bool:
    """Whether no two atoms are closer than 0.5 Å and the cell has at least 0.1 Å³.

    CDVAE's rule: distances are those between different atoms of the cell, over all their periodic images; an atom and
    its own images are not compared. A crystal without atoms or with numbers that are not finite is not valid.
    """
    finite = np.isfinite(crystal.lattice).all() and np.isfinite(crystal.frac_coords).all()
    if not crystal.num_atoms or not finite or crystal.volume < MIN_VOLUME:
        return False
    distances = Lattice(crystal.lattice).get_all_distances(crystal.frac_coords, crystal.frac_coords)
    return bool((distances + np.diag(np.full(crystal.num_atoms, np.inf)) >= MIN_DISTANCE).all())
