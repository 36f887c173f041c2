"""How often a prediction is right, and how closely: match rate and RMSE."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sunflow.evaluation.bootstrap import bootstrap_interval
from sunflow.evaluation.structure_prediction import TOLERANCES

FILTERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "crysbfn": ("structure_valid",),
    "diffcsp": ("structure_valid", "composition_valid", "target_valid"),
}
"""What must be true of a match for it to count, in the papers of these names."""
NUMBERS_OF_CANDIDATES = (1, 5, 10, 20)
SEED = 0
"""Of the bootstrap."""


@dataclass(frozen=True)
class MatchRate:
    """Of one file of predictions.

    Attributes:
        num_pairs: Targets whose structure was asked for: the denominator.
        num_matches: Those of them that a prediction matches.
        rmse: Mean rmsd of the matches in (V/N)^(1/3); None without one.
        rmse_interval: Its 95 % interval, by the bootstrap; None without a match.
    """

    num_pairs: int
    num_matches: int
    rmse: float | None
    rmse_interval: tuple[float, float] | None = None

    @property
    def rate(self) -> float:
        """The share of the targets that are matched."""
        return self.num_matches / self.num_pairs

    @property
    def crmse(self) -> float:
        """Corrected RMSE: the mean over all targets, to each unmatched one of which the matcher's `stol` is given.

        So it cannot be improved by matching less (Martirossyan et al., arXiv:2509.12178).
        """
        unmatched = self.num_pairs - self.num_matches
        return (self.num_matches * (self.rmse or 0.0) + unmatched * TOLERANCES["stol"]) / self.num_pairs


def match_rate_of(matches: pd.DataFrame, name: str, num_candidates: int) -> MatchRate:
    """The rate under the filter of this name; the best of the first `num_candidates` predictions of a target counts."""
    passed = matches[list(FILTERS[name])].all(axis=1) & matches["candidate"].lt(num_candidates)
    best = matches[passed].groupby("target_id")["rmsd"].min().dropna()
    num_pairs = matches["target_id"].nunique()
    if best.empty:
        return MatchRate(num_pairs, 0, None)
    interval = bootstrap_interval(np.mean, [best.to_numpy(float)], np.random.default_rng(SEED))
    return MatchRate(num_pairs, len(best), float(best.mean()), interval)


def numbers_of_candidates(matches: pd.DataFrame) -> list[int]:
    """For how many candidates rates are asked for: 1, all of them, and round numbers in between."""
    number = int(matches["candidate"].max()) + 1
    return sorted({number, *(k for k in NUMBERS_OF_CANDIDATES if k <= number)})
