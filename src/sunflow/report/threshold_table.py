"""Rates of stable, unique and novel crystals against the energy above hull that is called stable."""

from collections.abc import Sequence

import pandas as pd

from sunflow.report.metric_table import Column, MetricTable, Record, metric_table
from sunflow.report.rows import Row
from sunflow.report.text import words


def threshold_table(rows: Sequence[Row], curves: Sequence[pd.DataFrame]) -> MetricTable:
    """A row per row of the results, a column per threshold.

    Args:
        rows: Of the results.
        curves: Of each row, one line per `threshold` (eV/atom) with `sun_rate` and its interval.
    """
    thresholds = dict.fromkeys(float(value) for curve in curves for value in curve["threshold"])
    columns = [
        Column(_name(value), f"≤ {value:g}", "higher", f"at most {value:g} eV/atom above the hull", "num_requested")
        for value in thresholds
    ]
    return metric_table(
        "S.U.N. against the threshold",
        "The share of requested crystals that are converged, unique, novel, and at most so many eV/atom above the "
        "hull. At 0 papers call them S.U.N., at 0.1 (some at 0.08) metastable, unique and novel.",
        {"num_requested": "requested"},
        columns,
        [_record(*pair) for pair in zip(rows, curves, strict=True)],
        {row.label: row.color for row in rows},
    )


def _name(threshold: float) -> str:
    return f"sun_{threshold:g}"


def _record(row: Row, curve: pd.DataFrame) -> Record:
    told = f"relaxed by {row.record['relaxer']}, hull: {words(row.record['hull'])}; of all requested crystals"
    record: Record = {
        "generator": row.record["generator"],
        "label": row.label,
        "protocol": told,
        "num_requested": row.num_requested,
    }
    for line in curve.to_dict("records"):
        name = _name(float(line["threshold"]))
        record |= {f"{name}{end}": line[f"sun_rate{end}"] for end in ("", "_low", "_high")}
    return record
