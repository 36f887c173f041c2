"""How many crystals are stable, unique and novel, whatever the energy above the hull that is called stable?"""

from collections.abc import Sequence

import pandas as pd

from sunflow.evaluation.rates import wilson_interval

THRESHOLDS = (0.0, 0.025, 0.05, 0.08, 0.1)
"""eV/atom: MatterGen and LeMat-GenBench call 0.1 metastable, WyFormer 0.08; 0.025 is kT at room temperature."""


def sun_curve(verdicts: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """One row per threshold: how many crystals lie at or below it, and how many of those are unique and novel.

    Only crystals whose relaxation has converged count. Rates are of all requested crystals, with Wilson's 95 %
    intervals. Of crystals that repeat one another the lowest in energy is the unique one, whatever the threshold.

    Args:
        verdicts: The table of crystals that the stage `sun` writes, as values or as text.
        thresholds: Highest energies above the hull, eV/atom.
    """
    energies = pd.to_numeric(verdicts["energy_above_hull"]).where(is_true(verdicts["converged"]))
    good = is_true(verdicts["unique"]) & is_true(verdicts["novel"])
    rows = []
    for threshold in thresholds:
        low_enough = energies.le(threshold)
        row: dict[str, int | float] = {"threshold": threshold, "num_requested": len(verdicts)}
        for name, chosen in (("metastable", low_enough), ("sun", low_enough & good)):
            row |= _rate(name, int(chosen.sum()), len(verdicts))
        rows.append(row)
    return pd.DataFrame(rows)


def is_true(column: pd.Series) -> pd.Series:
    """Where a verdict is true, be it a value or text; a missing one is not."""
    return column.astype(str).eq("True")


def _rate(name: str, count: int, total: int) -> dict[str, int | float]:
    low, high = wilson_interval(count, total)
    rate = count / total if total else float("nan")
    return {f"num_{name}": count, f"{name}_rate": rate, f"{name}_rate_low": low, f"{name}_rate_high": high}
