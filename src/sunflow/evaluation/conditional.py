"""Do crystals have the property that they were asked for?

Only metastable crystals count, as in SymmBFN (2025, section 4.2); every other requested crystal has an outcome that
says why it does not.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sunflow.evaluation.rates import wilson_interval
from sunflow.evaluation.sun_curve import is_true

OUTCOMES = ("failed", "not_converged", "not_covered", "not_metastable", "no_estimate", "estimated")
"""What became of a requested crystal, in the order in which it is asked."""
RATES = ("metastable", "stable", "sun")
PERCENTILES = (5, 25, 50, 75, 95)
TOLERANCE = 0.25
"""A property is met within this share of its standard deviation in the train split."""
COPIED = ("crystal_id", "formula", "status", "energy_above_hull", "metastable", "stable", "sun")
"""What the table of crystals says of each besides its estimate."""


def judged_crystals(
    verdicts: pd.DataFrame, values: Mapping[str, float], spreads: Mapping[str, float], reasons: Mapping[str, str]
) -> pd.DataFrame:
    """One row per requested crystal: the verdict on it, its estimate, its outcome, and the reason of that.

    Args:
        verdicts: The table that the stage `sun` writes, as text.
        values: Estimates of the property by crystal_id, finite numbers; those that have none are missing.
        spreads: How sure they are, in the property's unit; missing where nobody says.
        reasons: Why a crystal has no estimate.
    """
    table = verdicts[list(COPIED)].copy()
    names = table["crystal_id"]
    table["outcome"] = _outcomes(verdicts, names.isin(values.keys()))
    table["value"], table["spread"] = names.map(dict(values)), names.map(dict(spreads))
    why = names.map(dict(reasons)).fillna("there is no estimate of it")
    told = {
        "failed": verdicts["reason"],
        "not_converged": verdicts["reason"],
        "not_covered": "the hull does not cover it",
        "no_estimate": why,
    }
    table["reason"] = ""
    for outcome, reason in told.items():
        table["reason"] = table["reason"].mask(table["outcome"].eq(outcome), reason)
    return table


def _outcomes(verdicts: pd.DataFrame, has_value: pd.Series) -> pd.Series:
    conditions = [
        verdicts["status"].eq("failed"),
        ~is_true(verdicts["converged"]),
        verdicts["metastable"].astype(str).isin(["", "nan", "None"]),
        ~is_true(verdicts["metastable"]),
        ~has_value,
    ]
    return pd.Series(np.select(conditions, OUTCOMES[:-1], OUTCOMES[-1]), index=verdicts.index)


def accounts(crystals: pd.DataFrame) -> dict[str, Any]:
    """How many requested crystals came to what, and the rates of all of them with Wilson's 95 % intervals.

    Args:
        crystals: The table of `judged_crystals`.
    """
    total, counts = len(crystals), crystals["outcome"].value_counts()
    numbers = {name: int(counts.get(name, 0)) for name in OUTCOMES}
    assert sum(numbers.values()) == total, "a crystal was lost"
    row: dict[str, Any] = {
        "num_requested": total,
        "num_failed": numbers["failed"],
        "num_converged": total - numbers["failed"] - numbers["not_converged"],
        "num_covered": total - sum(numbers[name] for name in OUTCOMES[:3]),
        "num_metastable": numbers["estimated"] + numbers["no_estimate"],
        "num_estimated": numbers["estimated"],
    }
    for name in RATES:
        row |= rate(f"{name}_rate", int(is_true(crystals[name]).sum()), total)
    return row | {"without_estimate": _counted(crystals.loc[crystals["outcome"].eq("no_estimate"), "reason"])}


def rate(name: str, count: int, total: int) -> dict[str, float | None]:
    """A share with Wilson's 95 % interval; None of nothing."""
    if not total:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    low, high = wilson_interval(count, total)
    return {name: count / total, f"{name}_low": low, f"{name}_high": high}


def distribution(values: np.ndarray, target: float | None, tolerance: float) -> dict[str, Any]:
    """Mean, standard deviation and percentiles, and how near the values are to the target.

    Args:
        values: Estimates of a property.
        target: What was asked for; None where nothing was.
        tolerance: Up to which distance from the target a value meets it.
    """
    row: dict[str, Any] = {
        "mean": float(np.mean(values)) if len(values) else None,
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }
    for percent in PERCENTILES:
        row[f"p{percent}"] = float(np.percentile(values, percent)) if len(values) else None
    distances = np.abs(values - target) if target is not None else np.zeros(0)
    row["mean_absolute_deviation"] = float(np.mean(distances)) if len(distances) else None
    row["tolerance"] = tolerance if target is not None else None
    return row | rate("within_tolerance", int(np.sum(distances <= tolerance)), len(distances))


def tolerance_of(train: np.ndarray) -> float:
    """The tolerance of a property, from its values in the train split."""
    return TOLERANCE * float(np.std(train))


def _counted(reasons: pd.Series) -> str:
    """Reasons with how often each occurs, the most frequent first."""
    return "; ".join(f"{count} × {reason}" for reason, count in Counter(reasons).most_common())
