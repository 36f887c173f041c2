"""Is one crystal the same as another? The verdict of pymatgen's StructureMatcher at its default settings."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pymatgen.analysis.structure_matcher import StructureMatcher

from sunflow.evaluation.cpu_limit import cpu_limit
from sunflow.evaluation.reduced import Reduced, may_match

logger = logging.getLogger(__name__)
T = TypeVar("T")
DECIMALS = 5
"""Of a displacement: StructureMatcher is content with one below 1e-5."""
MAX_SECONDS = 60.0
"""CPU time of one comparison; the slowest known takes 1.7 s."""
LOGGED = 20
"""Failures that are named in the log; all are counted."""


@dataclass(frozen=True)
class Failure:
    """A comparison of two crystals, in this order, that gave no verdict."""

    first: str
    second: str
    reason: str

    def __str__(self) -> str:
        return f"{self.first} could not be compared with {self.second}: {self.reason}"


@dataclass
class Comparer:
    """Compares crystals, and remembers what could not be compared.

    Attributes:
        announce: Told both names before each comparison.
        given_up: Pairs of names that are not to be compared, and why.
        failures: In the order in which they happened.
        matcher: At its default settings.
    """

    announce: Callable[[str, str], None] = lambda first, second: None
    given_up: Mapping[tuple[str, str], str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    matcher: StructureMatcher = field(default_factory=StructureMatcher)

    def same(self, first: Reduced, second: Reduced) -> bool:
        """Whether the first matches the second: what `StructureMatcher().fit` says of the crystals as they came.

        Few pairs match in one order only. Where there is no verdict it is no match, and one more failure.
        """
        if not may_match(first, second):
            return False

        def fit() -> bool:
            return bool(self.matcher.fit(first.structure, second.structure, skip_structure_reduction=True))

        return self.guarded(first.crystal_id, second.crystal_id, fit) or False

    def displacement(self, first: Reduced, second: Reduced) -> float:
        """Root mean square displacement of the atoms in (V/N)^(1/3); infinity without a match, or without a verdict."""
        names = first.crystal_id, second.crystal_id
        found = self.guarded(*names, lambda: self.matcher.get_rms_dist(first.structure, second.structure))
        return math.inf if found is None else round(float(found[0]), DECIMALS)

    def guarded(self, first: str, second: str, compare: Callable[[], T]) -> T | None:
        """What `compare` says of the two; None, and one more failure, where it raises an error or takes too long."""
        reason = self.given_up.get((first, second))
        if reason is None:
            self.announce(first, second)
            try:
                with cpu_limit(MAX_SECONDS):
                    return compare()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
        self.failures.append(Failure(first, second, reason))
        return None


def log_failures(failures: Sequence[Failure]) -> None:
    """Say how many comparisons failed, and name the first of them."""
    for failure in failures[:LOGGED]:
        logger.warning("%s", failure)
    if failures:
        logger.warning("%d comparisons gave no verdict", len(failures))
