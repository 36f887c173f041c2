"""The table of crystals that were asked for a property, and a picture of how it is distributed."""

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from sunflow.report.figures import Figure
from sunflow.report.metric_table import PUBLISHED, Column, MetricTable, Record, metric_table
from sunflow.report.rows import REFERENCE_COLOR
from sunflow.report.text import is_missing, words

COLUMNS = (
    Column(
        "metastable_rate", "metastable", "higher", "at most so far above the hull, of all requested", "num_requested"
    ),
    Column("stable_rate", "stable", "higher", "at or below the hull, of all requested", "num_requested"),
    Column("sun_rate", "S.U.N.", "higher", "stable, unique and novel, of all requested", "num_requested"),
    Column("mean", "mean", "", "of the property, in its unit"),
    Column("std", "deviation", "", "standard deviation of the property"),
    Column("mean_absolute_deviation", "from target", "lower", "mean distance from the target, in the property's unit"),
    Column(
        "within_tolerance",
        "near target",
        "higher",
        "within a quarter of the train split's standard deviation",
        "num_estimated",
    ),
    Column("train_within_tolerance", "by chance", "", "share of train crystals that are as near the target"),
    Column(
        "reference_mae", "error", "lower", "mean absolute error of the estimate, of metastable test crystals, relaxed"
    ),
    Column("test_mae", "error in test", "lower", "mean absolute error of the network, of the test split as it is"),
)
SIZES = {"num_metastable": "metastable", "num_estimated": "with estimate"}
MEANING = (
    "Crystals that were asked for a property, judged by what the table says of the metastable ones among them. The "
    "estimate is no measurement: its error stands beside it, and what differs by less says nothing. “reference” are "
    "test crystals by the same estimate and, by “dataset”, by their published values; “train” is what was learned from."
)


def conditional_table(conditional: pd.DataFrame, colors: dict[str, str]) -> MetricTable:
    """One row per generator, target and estimate.

    Args:
        conditional: conditional.csv.
        colors: Of generators.
    """
    records: list[Record] = conditional.to_dict("records")
    for record in records:
        record["label"] = _label(record)
        if not _is_published(record):
            record["protocol"] = f"{words(record['property'])} by {record['estimate']}; {record['protocol']}"
    colored = {record["label"]: colors[record["generator"]] for record in records if record["generator"] in colors}
    return metric_table("Asked for a property", MEANING, SIZES, COLUMNS, records, colored)


def conditional_chart(conditional: pd.DataFrame, colors: dict[str, str]) -> Figure | None:
    """Boxes from the 25th to the 75th percentile, whiskers from the 5th to the 95th, diamonds at the targets.

    None where several properties, which have no axis in common, or none have values.
    """
    if "p50" not in conditional:
        return None
    shown = conditional[conditional["p50"].notna()].iloc[::-1]
    if shown["property"].nunique() != 1:
        return None
    records: list[Record] = shown.to_dict("records")
    names = [escape(_label(record)) for record in records]
    targets = [(record["target"], name) for record, name in zip(records, names, strict=True)]
    layout = {
        "height": 90 + 44 * len(records),
        "margin": {"l": 10, "r": 10, "t": 10, "b": 44},
        "showlegend": False,
        "xaxis": {"title": {"text": words(str(records[0]["property"]))}},
        "yaxis": {"automargin": True},
    }
    boxes = [_box(record, name, colors) for record, name in zip(records, names, strict=True)]
    return {"data": [*boxes, _targets([pair for pair in targets if not is_missing(pair[0])])], "layout": layout}


def _label(record: Record) -> str:
    target, name = record.get("target"), str(record["generator"]).removesuffix(PUBLISHED)
    asked = "" if is_missing(target) else f", target {target:g}"
    if _is_published(record):
        return f"{name}{asked}"
    relaxer = record.get("relaxer")
    after = "" if is_missing(relaxer) else f", relaxed by {relaxer}"
    return f"{name}{asked}, by {record['estimate']}{after}"


def _is_published(record: Record) -> bool:
    return str(record["generator"]).endswith(PUBLISHED)


def _box(record: Record, name: str, colors: dict[str, str]) -> dict[str, Any]:
    ends = {"lowerfence": "p5", "q1": "p25", "median": "p50", "q3": "p75", "upperfence": "p95", "mean": "mean"}
    color = colors.get(record["generator"], REFERENCE_COLOR)
    values = {key: [float(record[column])] for key, column in ends.items()}
    return {"type": "box", "orientation": "h", "name": name, "y": [name], "line": {"color": color}, **values}


def _targets(pairs: Sequence[tuple[Any, str]]) -> dict[str, Any]:
    marker = {"symbol": "diamond", "size": 11, "color": "#c8553d"}
    x, y = [float(target) for target, _ in pairs], [name for _, name in pairs]
    return {"type": "scatter", "mode": "markers", "name": "target", "x": x, "y": y, "marker": marker}
