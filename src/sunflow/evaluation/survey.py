"""Which crystals repeat others, and which are known, at the scale of a dataset.

Crystals of the same composition and as many atoms in their primitive cells are a group; only they can match.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.comparing import Outcome, Task
from sunflow.evaluation.comparison import Failure
from sunflow.evaluation.comparison_tasks import KnownMatches, Repeats
from sunflow.evaluation.matching import best_first
from sunflow.evaluation.reduced import Reduced, formula_of, reduce_all
from sunflow.evaluation.similarity import TRAIN, Evidence, Similarity
from sunflow.evaluation.validity import defect

SAMPLES = "samples"
Labelled = tuple[str, str, Crystal]
"""The set that a crystal belongs to, its reduced formula, and the crystal."""
PAIRS_PER_TASK = 2000
"""Comparisons with known crystals that one process does in one go: some seconds."""


class Survey:
    """A set of crystals, to be compared with one another and with the known ones.

    Args:
        crystals: With unique ids.
        energies: Above the hull, eV/atom; None where unknown.
        known: Crystals by name of their split; `train` is the one that was learned from.
        drawn: Ids of those of `crystals` that were not generated, but are known crystals of the same id.
        num_processes: For bringing all into their primitive cells.
    """

    def __init__(
        self,
        crystals: Sequence[Crystal],
        energies: Sequence[float | None],
        known: Mapping[str, Sequence[Crystal]],
        drawn: frozenset[str],
        num_processes: int,
    ) -> None:
        self.drawn, self.splits = drawn, list(known)
        self.formulas = {crystal.crystal_id: formula_of(crystal) for crystal in crystals}
        self.groups: dict[tuple[str, int], dict[str, list[Reduced]]] = defaultdict(lambda: defaultdict(list))
        self.unreadable: dict[str, list[tuple[str, Failure]]] = defaultdict(list)
        of_known = [(split, formula_of(crystal), crystal) for split, own in known.items() for crystal in own]
        self.learned = {formula for split, formula, _ in of_known if split == TRAIN}
        of_samples = [(SAMPLES, self.formulas[one.crystal_id], one) for one in best_first(crystals, energies)]
        self._sort_in(self._with_partners(of_samples, of_known), num_processes)

    def _with_partners(self, of_samples: list[Labelled], of_known: list[Labelled]) -> list[Labelled]:
        """Those that have another of their formula to be compared with; samples that are no crystals are put aside."""
        counts = Counter(formula for _, formula, _ in of_samples)
        partners = Counter(formula for _, formula, _ in of_known if formula in counts)
        chosen = []
        for entry in of_samples:
            name, formula, crystal = entry
            if problem := defect(crystal):
                self.unreadable[name].append((formula, Failure(crystal.crystal_id, "any other", problem)))
            elif counts[formula] > 1 or formula in partners:
                chosen.append(entry)
        return chosen + [entry for entry in of_known if entry[1] in counts]

    def _sort_in(self, chosen: list[Labelled], num_processes: int) -> None:
        cells = reduce_all([crystal for _, _, crystal in chosen], num_processes)
        for (name, formula, crystal), cell in zip(chosen, cells, strict=True):
            if isinstance(cell, Reduced):
                self.groups[formula, cell.crystal.num_atoms][name].append(cell)
            else:
                self.unreadable[name].append((formula, Failure(crystal.crystal_id, "any other", cell)))

    def tasks(self) -> Iterator[Task]:
        """What is to be compared."""
        for group in self.groups.values():
            samples = group.get(SAMPLES, [])
            if len(samples) > 1:
                yield Repeats(f"samples like {samples[0].crystal_id}", samples)
            known = {split: group[split] for split in self.splits if split in group}
            size = max(1, PAIRS_PER_TASK // max(1, sum(map(len, known.values()))))
            for first in range(0, len(samples) if known else 0, size):
                some = samples[first : first + size]
                yield KnownMatches(f"known crystals like {some[0].crystal_id}", some, known, self.drawn)

    def failures(self) -> list[Failure]:
        """Crystals that have no primitive cell."""
        return [failure for own in self.unreadable.values() for _, failure in own]

    def similarities(self, outcomes: Mapping[str, Outcome]) -> dict[str, Similarity]:
        """The judgement of every crystal, by its id.

        Args:
            outcomes: Of all tasks, by their names.
        """
        evidence = {name: Evidence() for name in self.formulas}
        self._add_unreadable(evidence)
        for task in self.tasks():
            if isinstance(task, Repeats):
                _add_repeats(task, outcomes[task.name], evidence)
            elif isinstance(task, KnownMatches):
                _add_matches(task, outcomes[task.name], evidence)
        return {
            name: evidence[name].verdict(formula not in self.learned if formula else None, self.splits)
            for name, formula in self.formulas.items()
        }

    def _add_unreadable(self, evidence: Mapping[str, Evidence]) -> None:
        """A crystal that cannot be compared has no verdict, and a known one leaves its formula without."""
        for _, failure in self.unreadable[SAMPLES]:
            evidence[failure.first].leave_open({"unique", "matches_none", *self.splits}, failure)
        for split in self.splits:
            for formula, failure in self.unreadable[split]:
                for name in (name for name, own in self.formulas.items() if own == formula):
                    evidence[name].leave_open({split}, failure)


def _add_repeats(task: Repeats, outcome: Outcome, evidence: Mapping[str, Evidence]) -> None:
    names = [crystal.crystal_id for crystal in task.group]
    found = outcome.found or {"same_as": {}, "undecided": names, "matched": []}
    for name in found["matched"]:
        evidence[name].matched = True
    for name, other in found["same_as"].items():
        evidence[name].same_as = other
    for failure in outcome.failures:
        for name in (failure.first, failure.second) if outcome.found else names:
            evidence[name].leave_open({"matches_none"}, failure)
    for name in found["undecided"]:
        evidence[name].open.add("unique")


def _add_matches(task: KnownMatches, outcome: Outcome, evidence: Mapping[str, Evidence]) -> None:
    names = [crystal.crystal_id for crystal in task.crystals]
    found = outcome.found or {"matches": {}, "open": {name: [*task.known] for name in names}}
    for name, matches in found["matches"].items():
        evidence[name].matches = [(other, split) for _, other, split in matches]
    for name, splits in found["open"].items():
        evidence[name].open |= {*splits}
    for failure in outcome.failures:
        for name in (failure.first,) if outcome.found else names:
            evidence[name].reasons.append(str(failure))
