"""How many crystals are valid, by each definition, beside the test split and what was published."""

from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.evaluation.composition_validity import VALID
from sunflow.evaluation.rates import wilson_interval
from sunflow.stages.command import run
from sunflow.stages.measured import REFERENCE, published_rows, read_measures

RATES = ("structural", "compositional_cdvae", "compositional_smact_default", "valid", "structural_with_images")
PROTOCOL = "of all requested crystals"


def validity(settings: dict, measures: list[Path], reference: Path, output: Path) -> None:
    """Write one row per generator, one of the reference crystals, and the published ones.

    `settings` holds `generators`, the names of `measures` in their order, and `benchmark`, whose published figures are
    added. Rates are shares of what was requested, with Wilson's 95 % intervals.
    """
    named = zip([*settings["generators"], REFERENCE], [*measures, reference], strict=True)
    rows = [{"generator": name, **rates(read_measures(path)), "protocol": PROTOCOL} for name, path in named]
    rows += published_rows(settings["benchmark"], RATES)
    write_text(output, pd.DataFrame(rows).to_csv(index=False))


def rates(table: pd.DataFrame) -> dict[str, Any]:
    """The rates and, after them, their intervals."""
    counts = {name: int(_passes(table, name).sum()) for name in RATES}
    row: dict[str, Any] = {"num_requested": len(table)}
    row |= {name: count / len(table) for name, count in counts.items()}
    for name, count in counts.items():
        row[f"{name}_low"], row[f"{name}_high"] = wilson_interval(count, len(table))
    return row


def _passes(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].isin(VALID) if name.startswith("compositional") else table[name]


if __name__ == "__main__":
    run(validity)
