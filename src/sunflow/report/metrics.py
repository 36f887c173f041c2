"""The published metrics of generation as tables of the page."""

import pandas as pd

from sunflow.report.distance_tables import distance_tables
from sunflow.report.metric_definitions import COVERAGE, NOVELTY, VALIDITY
from sunflow.report.metric_table import MetricTable, metric_table

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


def novelty_table(novelty: pd.DataFrame, name: str, colors: dict[str, str]) -> MetricTable:
    """How many crystals of a set are unique and novel, from a table of one row."""
    records = [{**record, "generator": name, "protocol": "of all crystals"} for record in novelty.to_dict("records")]
    return metric_table(
        "Unique and novel",
        "Which crystals are not copies, of each other or of the training set, by pymatgen's StructureMatcher.",
        REQUESTED,
        NOVELTY,
        records,
        colors,
    )
