"""What a crystal is like: does it repeat others, and is it known?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sunflow.evaluation.comparison import Failure

TRAIN = "train"
"""The split that was learned from."""


@dataclass
class Similarity:
    """What a crystal is like; a verdict of None is none.

    Attributes:
        unique: Whether it repeats none of those before it, in order of energy above hull and then of id.
        same_as: The representative that it repeats; empty without one.
        matches_none: Whether it matches no other crystal of the set at all, in either order of the two.
        composition_new: Whether no crystal of the train split has its reduced formula.
        novel: Whether it matches no crystal of the train split.
        matched_train_id: The least displaced of those that it matches there; empty without one.
        novel_in_dataset: Whether it matches no crystal of any split but itself.
        matched_dataset_id: The least displaced of those.
        comparison_reason: Why a verdict is missing.
    """

    unique: bool | None
    same_as: str
    matches_none: bool | None
    composition_new: bool | None
    novel: bool | None
    matched_train_id: str
    novel_in_dataset: bool | None
    matched_dataset_id: str
    comparison_reason: str


@dataclass
class Evidence:
    """What is known of a crystal before it is judged.

    Attributes:
        same_as: The representative that it repeats.
        matched: Whether it matches any other of the set.
        matches: Ids and splits of the known crystals that it matches, the least displaced first.
        open: What could not be told: `unique`, `matches_none` and names of splits.
        reasons: Why.
    """

    same_as: str = ""
    matched: bool = False
    matches: list[tuple[str, str]] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def verdict(self, composition_new: bool | None, splits: Sequence[str]) -> Similarity:
        """The judgement. A match is one, whatever else could not be compared."""
        in_dataset = [name for name, _ in self.matches]
        in_train = [name for name, split in self.matches if split == TRAIN]
        verdicts = {
            "unique": False if self.same_as else None if "unique" in self.open else True,
            "matches_none": False if self.matched else None if "matches_none" in self.open else True,
            "novel": False if in_train else None if TRAIN in self.open else True,
            "novel_in_dataset": False if in_dataset else None if self.open & {*splits} else True,
        }
        more = f"; and {len(self.reasons) - 1} more" if len(self.reasons) > 1 else ""
        return Similarity(
            **verdicts,
            same_as=self.same_as,
            composition_new=composition_new,
            matched_train_id=in_train[0] if in_train else "",
            matched_dataset_id=in_dataset[0] if in_dataset else "",
            comparison_reason=self.reasons[0] + more if None in verdicts.values() else "",
        )

    def leave_open(self, what: set[str], failure: Failure) -> None:
        """These verdicts are missing because of a failure."""
        self.open |= what
        self.reasons.append(str(failure))
