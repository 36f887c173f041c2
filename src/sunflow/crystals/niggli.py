"""Niggli reduction, in the orientation that the generators are trained on."""

import warnings

import numpy as np
import spglib
import torch
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.cif import CifParser

from sunflow.crystals.crystal import Crystal, wrapped
from sunflow.crystals.lattice import canonical_orientation
from sunflow.crystals.sources import Entry
from sunflow.crystals.structures import to_structure

PARSE_ERRORS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
)
RELATIVE_TOLERANCE = 1e-3
OTHER_LENGTHS = "spglib's cell has other lengths"


class DroppedError(Exception):
    """A crystal that cannot be used: a reason that is counted, and what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def reduce_entry(entry: Entry, max_atoms: int) -> Crystal:
    """The reduced crystal of an entry, or a failed one whose reason begins with the kind of defect.

    The lattice is rebuilt from its six parameters (c along z, a in the xz plane), the handedness kept. Deuterium counts
    as hydrogen. Where spglib finds other lengths (the reduced cell is not always unique), the property `note` says so.
    """
    try:
        structure = ordered(entry, max_atoms)
        reduced = _reduced(structure)
        crystal = _canonical(entry, reduced)
        note = _cross_check(structure, reduced)
        return crystal.with_properties(note=note) if note else crystal
    except DroppedError as error:
        return Crystal.failure(entry.crystal_id, str(error), **entry.properties)


def ordered(entry: Entry, max_atoms: int) -> Structure:
    """The structure of an entry, checked."""
    structure = _parsed(entry)
    if any(isinstance(species, DummySpecies) for species in structure.composition):
        raise DroppedError("unknown element", structure.formula)
    if not structure.is_ordered:
        raise DroppedError("partial occupancy", structure.formula)
    if not (np.isfinite(structure.lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise DroppedError("non-finite", "lattice or coordinates")
    if not 0.1 < structure.volume < 1e6:
        raise DroppedError("absurd volume", f"{structure.volume:g} Å³")
    if len(structure) > max_atoms:
        raise DroppedError("too many atoms", f"{len(structure)}, more than max_atoms {max_atoms}")
    return structure


def _parsed(entry: Entry) -> Structure:
    try:
        if isinstance(entry.content, Crystal):
            structure = to_structure(entry.content)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser = CifParser.from_str(entry.content)
                structures = parser.parse_structures(primitive=False, on_error="raise")
            if len(structures) != 1:
                raise DroppedError("parse failure", f"{len(structures)} structures in one CIF")
            structure = structures[0]
    except PARSE_ERRORS as error:
        raise DroppedError("parse failure", " ".join(f"{type(error).__name__}: {error}".split())) from error
    if not len(structure):
        raise DroppedError("parse failure", "no atoms")
    return structure


def _reduced(structure: Structure) -> Structure:
    try:
        return structure.get_reduced_structure("niggli")
    except (ValueError, np.linalg.LinAlgError) as error:
        raise DroppedError("no Niggli cell", str(error)) from error


def _canonical(entry: Entry, reduced: Structure) -> Crystal:
    """Turned into the canonical orientation; a left-handed set of vectors is inverted first, with the coordinates."""
    matrix, frac_coords = reduced.lattice.matrix, reduced.frac_coords
    if np.linalg.det(matrix) < 0:
        matrix, frac_coords = -matrix, -frac_coords
    lattice = canonical_orientation(torch.tensor(matrix.copy())[None])[0].numpy()
    atomic_numbers = np.array([site.specie.Z for site in reduced])
    crystal = Crystal(
        entry.crystal_id, lattice, wrapped(frac_coords), atomic_numbers, properties=dict(entry.properties)
    )
    if not np.isfinite(lattice).all():
        raise DroppedError("non-finite", "reduced lattice")
    return crystal


def _cross_check(structure: Structure, reduced: Structure) -> str:
    """Compare volume and lengths with spglib's reduction (whose cell differs where the Niggli cell is not unique)."""
    if not np.isclose(reduced.volume, structure.volume, rtol=RELATIVE_TOLERANCE):
        raise DroppedError("volume changed in the reduction", f"{structure.volume:g} to {reduced.volume:g} Å³")
    lattice = spglib.niggli_reduce(structure.lattice.matrix)
    if lattice is None:
        return ""
    lengths = np.sort(np.linalg.norm(lattice, axis=1))
    return "" if np.allclose(lengths, np.sort(reduced.lattice.abc), rtol=RELATIVE_TOLERANCE) else OTHER_LENGTHS
