"""The rates of every generator, beside those of the dataset's own test crystals."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.evaluation.hull import Hull
from sunflow.evaluation.rates import wilson_interval
from sunflow.evaluation.sun import count_true
from sunflow.stages.command import run

COVERED = ("same_composition", "same_system", "subsystems_only")
NAMES = ("generator", "task", "relaxer", "hull")
CLOSELY_COVERED = ("same_composition", "same_system")


def sun_table(
    settings: dict, tables: list[Path], times: list[Path], hulls: list[Path], opinions: list[Path], output: Path
) -> None:
    """Write one row per entry of `settings["rows"]`, to which `tables`, `times` and `hulls` belong in this order.

    `opinions` are the second opinions of those rows that name a relaxer as `second_opinion`.
    """
    left = iter(opinions)
    rows = [
        {
            **{name: row[name] for name in NAMES},
            "hull_entries": len(Hull.read(hull).entries),
            **rates(read_verdicts(table), network_seconds(time)),
            "second_opinion": row["second_opinion"],
            "num_sun_agreed": count_true(read_verdicts(next(left))["agrees"]) if row["second_opinion"] else None,
        }
        for row, table, time, hull in zip(settings["rows"], tables, times, hulls, strict=True)
    ]
    write_text(output, pd.DataFrame(rows).to_csv(index=False))


def read_verdicts(path: Path) -> pd.DataFrame:
    """A table that the stage `sun` wrote, all of it text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def network_seconds(path: Path) -> float | None:
    """Seconds that the network took for all samples; None for crystals that were not generated."""
    return json.loads(path.read_text())["network_seconds"]


def rates(verdicts: pd.DataFrame, seconds: float | None) -> dict[str, Any]:
    """Counts, rates of all requested crystals, and cost."""
    requested = len(verdicts)
    statuses = verdicts["status"].value_counts()
    assert statuses.reindex(["ok", "not_converged", "failed"], fill_value=0).sum() == requested, "a crystal was lost"
    num_sun = count_true(verdicts["sun"])
    low, high = wilson_interval(num_sun, requested)
    strict = count_true(verdicts["sun"][verdicts["hull_coverage"].isin(CLOSELY_COVERED)])
    return {
        "num_requested": requested,
        "num_geometry_valid": count_true(verdicts["geometry_valid"]),
        "num_converged": count_true(verdicts["converged"]),
        "num_covered": int(verdicts["hull_coverage"].isin(COVERED).sum()),
        **{
            f"{name}_rate": count_true(verdicts[name]) / requested
            for name in ("unique", "novel", "metastable", "stable")
        },
        "sun_rate": num_sun / requested,
        "sun_rate_low": low,
        "sun_rate_high": high,
        "sun_rate_strict": strict / requested,
        "sun_rate_with_samples": count_true(verdicts["sun_with_samples"]) / requested,
        "seconds_per_crystal": None if seconds is None else seconds / requested,
        "seconds_per_sun": None if seconds is None or num_sun == 0 else seconds / num_sun,
    }


if __name__ == "__main__":
    run(sun_table)
