"""Which crystals are the same: repeats within a set, and what matches known crystals."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula
from sunflow.evaluation.comparison import Comparer, Failure, log_failures
from sunflow.evaluation.reduced import Reduced, reduce_all


def best_first(crystals: Sequence[Crystal], energies: Sequence[float | None]) -> list[Crystal]:
    """In order of energy above hull (unknown ones last), then of crystal_id."""
    pairs = zip(crystals, energies, strict=True)
    ordered = sorted(pairs, key=lambda pair: (math.inf if pair[1] is None else pair[1], pair[0].crystal_id))
    return [crystal for crystal, _ in ordered]


def repeats(group: Sequence[Reduced], comparer: Comparer) -> dict[str, str]:
    """crystal_id → the id of the representative that it repeats; crystals that repeat none are not in it.

    StructureMatcher is not transitive, so the order decides: each crystal is compared with the representatives before
    it, and becomes one where it matches none.
    """
    representatives: list[Reduced] = []
    found: dict[str, str] = {}
    for crystal in group:
        match = next((other for other in representatives if comparer.same(crystal, other)), None)
        if match is None:
            representatives.append(crystal)
        else:
            found[crystal.crystal_id] = match.crystal_id
    return found


def matched(group: Sequence[Reduced], repeated: dict[str, str], comparer: Comparer) -> set[str]:
    """The ids of all crystals that match another one of the group, in either order of the two.

    Args:
        group: As `repeats` was given it.
        repeated: What it found. Representatives match none before them, so that they are not asked again.
        comparer: Compares them.
    """
    found = {*repeated, *repeated.values()}
    for position, crystal in enumerate(group):
        for other in group[:position]:
            names = {crystal.crystal_id, other.crystal_id}
            if names <= found:
                continue
            asked = names.isdisjoint(repeated)
            if (not asked and comparer.same(crystal, other)) or comparer.same(other, crystal):
                found |= names
    return found


def nearest_first(
    crystal: Reduced, matches: Mapping[str, Sequence[Reduced]], comparer: Comparer
) -> list[tuple[float, str, str]]:
    """The known crystals that a crystal matches: displacement in (V/N)^(1/3), id, split; the least displaced first.

    Equal displacements are ordered by id. That of a single match is not needed, and given as zero.
    """
    pairs = [(other, split) for split, others in matches.items() for other in others]
    if len(pairs) == 1:
        return [(0.0, other.crystal_id, split) for other, split in pairs]
    return sorted((comparer.displacement(crystal, other), other.crystal_id, split) for other, split in pairs)


def duplicates(crystals: Sequence[Crystal], energies: Sequence[float | None]) -> dict[str, str]:
    """crystal_id → the id of the better crystal that it repeats; crystals that repeat none are not in it.

    For few crystals, in this process. A crystal that cannot be compared is logged, and repeats none.
    """
    comparer, groups = Comparer(), defaultdict(list)
    ordered = best_first(crystals, energies)
    for crystal, cell in zip(ordered, reduce_all(ordered, 1), strict=True):
        if isinstance(cell, Reduced):
            groups[reduced_formula(crystal)].append(cell)
        else:
            comparer.failures.append(Failure(crystal.crystal_id, "the others", cell))
    found = {name: other for group in groups.values() for name, other in repeats(group, comparer).items()}
    log_failures(comparer.failures)
    return found
