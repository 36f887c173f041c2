"""What fewer or more sampling steps do to the same generator: its rates, and what a stable crystal costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import atomic_path, write_text
from sunflow.report.cost_figure import write_cost_figure
from sunflow.stages.command import StageError, run
from sunflow.stages.measured import published_rows

NAMES = ("generator", "base", "num_steps", "task", "relaxer", "hull")
COPIED = ("num_requested", "seconds_per_crystal")
FOUND = ("stable", "sun", "metastable")
"""What rates and costs are of."""
ENDS = ("", "_high", "_low")
"""Of a rate, in the order of those of its cost, which is lowest where the rate is highest."""
COSTS = ("end_to_end_seconds_per_stable", "end_to_end_seconds_per_sun")
PUBLISHED = {
    "num_steps": "num_steps",
    "seconds_per_crystal": "seconds_per_crystal",
    "stable": "stable_rate",
    "seconds_per_stable": "seconds_per_stable",
    "sun": "sun_rate",
    "seconds_per_sun": "seconds_per_sun",
}
"""Published figure → our column."""


def steps(settings: dict, table: Path, output: Path, output_plot: Path) -> None:
    """Write one row per generator and number of steps, with Wilson's intervals of rates, and published ones.

    `settings` holds `rows` with `NAMES`, those of `table`, which the stage `sun_table` wrote of them, and `benchmark`.
    Costs are seconds of sampling (`seconds_per_stable` is SymmBFN's S cost); their intervals follow from those of
    the rates. The plot shows rates and costs against the number of steps.

    Raises:
        StageError: There are no rows, or the table has others.
    """
    rows, rates = settings["rows"], pd.read_csv(table, keep_default_na=False, na_values=[""])
    if not rows:
        raise StageError("there are no rows: add generators that differ in sampling.num_steps (examples/steps.yaml)")
    names = ["generator", "task", "relaxer", "hull"]
    if rates[names].values.tolist() != [[row[name] for name in names] for row in rows]:
        raise StageError(f"{table} does not hold the rows of these generators: make it again")
    lines = [line(row, found) for row, found in zip(rows, rates.to_dict("records"), strict=True)]
    shown = pd.DataFrame([*lines, *published_steps(settings["benchmark"])], dtype=object)
    write_text(output, shown.to_csv(index=False))
    with atomic_path(output_plot) as temporary:
        write_cost_figure(temporary, pd.DataFrame(lines))


def line(row: dict[str, Any], found: dict[Any, Any]) -> dict[str, Any]:
    """The row of a generator, from its row of the table of rates."""
    told = {name: row[name] for name in NAMES} | {name: found[name] for name in COPIED}
    for name in FOUND:
        told |= {f"{name}_rate{end}": found[f"{name}_rate{end}"] for end in ("", "_low", "_high")}
        told |= cost(f"seconds_per_{name}", found["seconds_per_crystal"], [told[f"{name}_rate{end}"] for end in ENDS])
    return told | {name: found[name] for name in COSTS} | {"protocol": "of all requested crystals, on this hardware"}


def cost(name: str, seconds: float | None, rates: list[float]) -> dict[str, float | None]:
    """Seconds per crystal of a kind, with its interval; None where none was found, or nobody knows how long it took."""
    known = seconds is not None and not pd.isna(seconds)
    costs = [float(seconds) / rate if known and rate > 0 else None for rate in rates]  # type: ignore[arg-type]
    return dict(zip((name, f"{name}_low", f"{name}_high"), costs, strict=True))


def published_steps(benchmark: str | None) -> Iterator[dict[str, Any]]:
    """What was published with numbers of steps."""
    for row in published_rows(benchmark, tuple(PUBLISHED)):
        if "num_steps" in row and "seconds_per_crystal" in row:
            figures = {ours: row.get(theirs) for theirs, ours in PUBLISHED.items()}
            yield {"generator": row["generator"], **figures, "protocol": row["protocol"]}


if __name__ == "__main__":
    run(steps)
