"""The published metrics of generation as tables of the page."""

from collections.abc import Sequence

import pandas as pd

from sunflow.report.distance_tables import distance_tables
from sunflow.report.metric_definitions import COSTS, COVERAGE, NOVELTY, VALIDITY
from sunflow.report.metric_table import MetricTable, metric_table
from sunflow.report.rows import Row

REQUESTED = {"num_requested": "requested"}


def metric_tables(
    validity: pd.DataFrame, coverage: pd.DataFrame, distributions: pd.DataFrame, reference: str, colors: dict[str, str]
) -> list[MetricTable]:
    """Validity, coverage and distances of distributions.

    Args:
        validity: validity.csv.
        coverage: coverage.csv.
        distributions: distributions.csv.
        reference: What crystals are compared with, in words.
        colors: Of generators.
    """
    seen = f"the row “reference” shows what {reference} itself reaches"
    halved = f"the row “reference” compares one half of {reference} with the other"
    return [
        metric_table(
            "Validity",
            f"Which crystals look like crystals: atoms apart, charges that can cancel. Higher is better; {seen}.",
            REQUESTED,
            VALIDITY,
            validity.to_dict("records"),
            colors,
        ),
        metric_table(
            "Coverage",
            "Recall: how much of the reference a generator reproduces; precision: how much of what it makes is like "
            "the reference. Higher is better. AMSD and AMCD are mean distances to the nearest crystal by structure and "
            f"by composition. Lower is better. As a control, {halved}.",
            {**REQUESTED, "num_reference": "reference"},
            COVERAGE,
            coverage.to_dict("records"),
            colors,
        ),
        *distance_tables(distributions, halved, colors),
    ]


def cost_table(rows: Sequence[Row], colors: dict[str, str]) -> MetricTable:
    """What a crystal of each row has cost."""
    told = {"protocol": "on the hardware under Provenance; a job that was killed and resumed counts its last run alone"}
    return metric_table(
        "Cost",
        "Seconds for a requested, a stable and an S.U.N. crystal: of sampling alone, as papers count them, and of "
        "all that followed. Lower is better; only figures of the same hardware can be compared.",
        REQUESTED,
        COSTS,
        [{**row.record, **told, "label": row.label} for row in rows if not row.is_reference],
        colors,
    )


def novelty_table(novelty: pd.DataFrame, name: str, colors: dict[str, str]) -> MetricTable:
    """How many crystals of a set are unique and, where a train split was given, novel, from a table of one row."""
    records = [{**record, "generator": name, "protocol": "of all crystals"} for record in novelty.to_dict("records")]
    return metric_table(
        "Unique and novel",
        "Which crystals are not copies, of each other or of the training set, by pymatgen's StructureMatcher.",
        REQUESTED,
        [column for column in NOVELTY if column.name in novelty],
        records,
        colors,
    )
