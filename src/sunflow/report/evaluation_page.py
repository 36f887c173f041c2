"""The page of `python -m sunflow evaluate`: the metrics of one set of crystals, whoever made them."""

from typing import Any

import pandas as pd

from sunflow.report import counts
from sunflow.report.definitions import CITATIONS, METRICS_CITED
from sunflow.report.figures import PALETTE
from sunflow.report.metrics import metric_tables, novelty_table
from sunflow.report.rows import REFERENCE, REFERENCE_COLOR
from sunflow.report.templates import environment


def render_evaluation(
    name: str,
    reference: str,
    validity: pd.DataFrame,
    coverage: pd.DataFrame,
    distributions: pd.DataFrame,
    novelty: pd.DataFrame | None,
    accounting: pd.DataFrame,
    provenance: dict[str, Any],
) -> str:
    """The page's HTML; the tables need no JavaScript.

    Args:
        name: Of the set, as in the column `generator` of the tables.
        reference: What it is compared with, in words.
        validity: validity.csv.
        coverage: coverage.csv.
        distributions: distributions.csv.
        novelty: One row with `num_requested`, `unique_rate`, `novel_rate` and the ends of their intervals; None where
            neither was asked for.
        accounting: One row per crystal that was given, with `status` and `reason`.
        provenance: In the form of provenance.json, as much of it as is known.
    """
    colors = {name: PALETTE[0], REFERENCE: REFERENCE_COLOR}
    tables = metric_tables(validity, coverage, distributions, reference, colors)
    if novelty is not None:
        tables.append(novelty_table(novelty, name, colors))
    accounting = accounting.assign(reason=accounting["reason"].fillna(""))
    statuses = {status: count for status, count in counts.statuses(accounting).items() if count or status == "ok"}
    return (
        environment()
        .get_template("evaluation.html.jinja")
        .render(
            name=name,
            reference=reference,
            num_given=len(accounting),
            num_valid=_num_valid(validity, name),
            statuses=statuses,
            reasons=counts.reasons(accounting),
            metrics=tables,
            pictures=[],
            provenance=provenance,
            citations={cited: CITATIONS[cited] for cited in METRICS_CITED},
        )
    )


def _num_valid(validity: pd.DataFrame, name: str) -> int | None:
    """How many crystals of this set are valid; None where the table does not say."""
    for record in validity.to_dict("records"):
        if record["generator"] == name:
            return round(record["valid"] * record["num_requested"])
    return None
