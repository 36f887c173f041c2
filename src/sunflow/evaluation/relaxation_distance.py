"""How far do the atoms of a generated crystal move when it is relaxed?"""

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure

ALIGNMENT = {"ltol": 0.5, "stol": 0.5, "angle_tol": 10, "scale": False, "attempt_supercell": True}
"""How MatterGen aligns both crystals: with wide tolerances, at their own volumes, one as a supercell where needed."""


def relaxation_distance(generated: Crystal, relaxed: Crystal) -> float | None:
    """Root mean square displacement of the atoms, in Å; None where StructureMatcher cannot align the crystals.

    MatterGen's RMSD (Zeni et al., Nature 639, 624, 2025): StructureMatcher puts both primitive cells onto a lattice
    whose lengths and angles are their means and pairs the atoms, so that strain does not count. Its distance is in
    (V/N)^(1/3), here that of the mean of the lattices of both crystals as they came. Where there is no alignment,
    MatterGen counts 0.5 (V/N)^(1/3); here that is nobody's distance.
    """
    found = StructureMatcher(**ALIGNMENT).get_rms_dist(to_structure(generated), to_structure(relaxed))
    return None if found is None else float(found[0]) * mean_spacing(generated, relaxed)


def mean_spacing(first: Crystal, second: Crystal) -> float:
    """(V/N)^(1/3) in Å of the lattice whose lengths and angles are the means of those of two crystals."""
    parameters = np.mean([Lattice(crystal.lattice).parameters for crystal in (first, second)], axis=0)
    return float((Lattice.from_parameters(*parameters).volume / first.num_atoms) ** (1 / 3))
