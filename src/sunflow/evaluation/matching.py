"""Which crystals are the same, by pymatgen's StructureMatcher at its default settings."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, to_structure
from sunflow.progress import progress

logger = logging.getLogger(__name__)


def duplicates(crystals: Sequence[Crystal], energies: Sequence[float | None]) -> dict[str, str]:
    """crystal_id → the id of the better crystal that it repeats; crystals that repeat none are not in it.

    Crystals are taken in order of energy above hull (unknown ones last), then of crystal_id, so that the
    representative of every kind is its best one.
    """
    order = sorted(
        zip(crystals, energies, strict=True),
        key=lambda pair: (math.inf if pair[1] is None else pair[1], pair[0].crystal_id),
    )
    kept: dict[str, list[tuple[str, Structure]]] = defaultdict(list)
    repeats = {}
    for crystal, _ in progress(order, "comparing with one another", "crystals", total=len(order)):
        formula, structure = reduced_formula(crystal), to_structure(crystal)
        match = first_match(structure, kept[formula])
        if match is None:
            kept[formula].append((crystal.crystal_id, structure))
        else:
            repeats[crystal.crystal_id] = match
    return repeats


def known_matches(crystals: Sequence[Crystal], known: Iterable[Crystal]) -> dict[str, str]:
    """crystal_id → the id of the first known crystal that it matches; crystals that match none are not in it."""
    formulas = {crystal.crystal_id: reduced_formula(crystal) for crystal in crystals}
    asked = set(formulas.values())
    candidates: dict[str, list[tuple[str, Structure]]] = defaultdict(list)
    for crystal in known:
        if (formula := reduced_formula(crystal)) in asked:
            candidates[formula].append((crystal.crystal_id, to_structure(crystal)))
    matches = {}
    for crystal in progress(crystals, "comparing with the train split", "crystals"):
        match = first_match(to_structure(crystal), candidates[formulas[crystal.crystal_id]])
        if match is not None:
            matches[crystal.crystal_id] = match
    return matches


def first_match(structure: Structure, candidates: Iterable[tuple[str, Structure]]) -> str | None:
    """The id of the first candidate that matches, or None."""
    matcher = StructureMatcher()
    for identity, other in candidates:
        try:
            if matcher.fit(structure, other):
                return identity
        except (ValueError, IndexError, ZeroDivisionError) as error:
            logger.warning("%s could not be compared with %s: %s", structure.formula, identity, error)
    return None
