"""Are all structures of a composition found? METRe, "match everyone to reference", and its corrected RMSE.

The match rate asks for one target at a time what was predicted for it. A composition with several structures
(polymorphs) has several targets, and a prediction for one of them may well be another. METRe asks of every reference
structure whether any prediction of the same composition matches it; a prediction may match several. cRMSE is the mean
over all references of their smallest rmsd, where the matcher's `stol` stands in for those that nothing matches
(Martirossyan et al., "All that structure matches does not glitter", arXiv:2509.12178; documentation of OMatG).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula
from sunflow.evaluation.match_rate import MatchRate
from sunflow.evaluation.structure_prediction import Pair


def pairs_with_others(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Every prediction with the other targets of its reduced formula, which `pairs` do not compare it with."""
    alike: dict[str, dict[str, Crystal]] = defaultdict(dict)
    for pair in pairs:
        alike[reduced_formula(pair.target)][pair.target.crystal_id] = pair.target
    for pair in pairs:
        for name, other in alike[reduced_formula(pair.target)].items():
            if name != pair.target.crystal_id:
                yield Pair(pair.prediction, other, pair.candidate)


def smallest_rmsds(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """By the id of the target, the smallest rmsd of all comparisons with it; None where nothing matches it."""
    smallest: dict[str, float | None] = {}
    for row in rows:
        known = [rmsd for rmsd in (smallest.get(row["target_id"]), row["rmsd"]) if rmsd is not None]
        smallest[row["target_id"]] = min(known, default=None)
    return smallest


def metre(smallest: Mapping[str, float | None]) -> MatchRate:
    """METRe is its `rate`, cRMSE its `crmse`.

    Args:
        smallest: The smallest rmsd of every reference, by its id; None where no prediction matches it.
    """
    matches = [distance for distance in smallest.values() if distance is not None]
    return MatchRate(len(smallest), len(matches), sum(matches) / len(matches) if matches else None)
