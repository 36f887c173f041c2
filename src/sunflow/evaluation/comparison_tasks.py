"""What a process compares in one go, and tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.comparison import Comparer
from sunflow.evaluation.matching import matched, nearest_first, repeats
from sunflow.evaluation.reduced import Reduced
from sunflow.evaluation.relaxation_distance import relaxation_distance


@dataclass(frozen=True)
class Repeats:
    """The samples of a group are compared with one another."""

    name: str
    group: Sequence[Reduced]

    @property
    def size(self) -> int:
        """Every pair, in both orders."""
        return len(self.group) * (len(self.group) - 1)

    def run(self, comparer: Comparer) -> dict[str, Any]:
        """Who repeats whom, of whom that cannot be told, and who matches any other."""
        same_as = repeats(self.group, comparer)
        undecided = {failure.first for failure in comparer.failures} - same_as.keys()
        return {
            "same_as": same_as,
            "undecided": sorted(undecided),
            "matched": sorted(matched(self.group, same_as, comparer)),
        }


@dataclass(frozen=True)
class KnownMatches:
    """Samples of a group are compared with the known crystals of it; samples of `drawn` not with themselves."""

    name: str
    crystals: Sequence[Reduced]
    known: Mapping[str, Sequence[Reduced]]
    drawn: frozenset[str]

    @property
    def size(self) -> int:
        """Every pair."""
        return len(self.crystals) * sum(map(len, self.known.values()))

    def run(self, comparer: Comparer) -> dict[str, Any]:
        """By sample and split: what it matches, and whether all comparisons have given a verdict."""
        found: dict[str, Any] = {"matches": {}, "open": {}}
        for one in self.crystals:
            itself = one.crystal_id if one.crystal_id in self.drawn else None
            matches = {}
            for split, known in self.known.items():
                before = len(comparer.failures)
                others = [other for other in known if other.crystal_id != itself and comparer.same(one, other)]
                if others:
                    matches[split] = others
                if len(comparer.failures) > before:
                    found["open"].setdefault(one.crystal_id, []).append(split)
            if matches:
                found["matches"][one.crystal_id] = nearest_first(one, matches, comparer)
        return found


@dataclass(frozen=True)
class Relaxation:
    """A crystal is compared with what it relaxed to."""

    name: str
    generated: Crystal
    relaxed: Crystal

    @property
    def size(self) -> int:
        """One pair."""
        return 1

    def run(self, comparer: Comparer) -> dict[str, Any]:
        """How far its atoms went, in Å; None where that cannot be told."""
        names = self.generated.crystal_id, f"what {self.relaxed.crystal_id} relaxed to"
        return {"distance": comparer.guarded(*names, lambda: relaxation_distance(self.generated, self.relaxed))}
