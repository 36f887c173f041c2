"""The tables of distances between distributions, one per protocol."""

from collections.abc import Iterator

import pandas as pd

from sunflow.report.metric_definitions import PROPERTIES
from sunflow.report.metric_table import PUBLISHED, Column, MetricTable, Record, metric_table
from sunflow.report.text import integer, words

COMPARED = {"num_generated": "crystals", "num_reference": "reference"}
WHOLE = "all crystals"
"""How the protocol begins that compares all crystals, valid or not."""
DRAWN = integer(1000)
"""Crystals of the published protocol, as they read on the page."""


def distance_tables(distributions: pd.DataFrame, control: str, colors: dict[str, str]) -> Iterator[MetricTable]:
    """One table by the published protocol, one of all crystals.

    Args:
        distributions: distributions.csv.
        control: What the control row is, in words.
        colors: Of generators.
    """
    gathered, definitions = _gather(distributions)
    told = (
        f"How far the distribution of a property among {DRAWN} valid crystals, drawn at random, is from that among "
        f"reference crystals. The interval is the noise of drawing; where there are no more than {DRAWN}, all are "
        f"taken, and it is the bootstrap's. Lower is better. What chance alone makes of it: {control}."
    )
    meanings = {
        "published protocol": told,
        WHOLE: "The same with all crystals that have the property, valid or not, and the bootstrap's intervals.",
    }
    for name, meaning in meanings.items():
        records = [record for record in gathered if record["whole"] == (name == WHOLE)]
        names = [key for key in definitions if any(key in record for record in records)]
        columns = [Column(key, PROPERTIES.get(key, words(key)), "lower", definitions[key]) for key in names]
        yield metric_table(f"Distances of distributions: {name}", meaning, COMPARED, columns, records, colors)


def _gather(distributions: pd.DataFrame) -> tuple[list[Record], dict[str, str]]:
    """The rows of distributions.csv, one record per generator and protocol; and the definition of every property."""
    gathered: dict[tuple[str, str], Record] = {}
    definitions: dict[str, str] = {}
    for row in distributions.to_dict("records"):
        name, key = str(row["generator"]), str(row["property"])
        protocol = str(row["protocol"])
        definition = "" if name.endswith(PUBLISHED) else str(row["definition"])
        definitions[key] = definitions.get(key) or definition
        record = gathered.setdefault(
            (name, protocol), {"generator": name, "protocol": protocol, "whole": protocol.startswith(WHOLE)}
        )
        record |= {key: row["distance"], f"{key}_low": row.get("low"), f"{key}_high": row.get("high")}
        record[f"{key}_about"] = definition and f"{definition}; {_compared(row)}"
        for size in COMPARED:
            record[size] = [*record.get(size, []), row.get(size)]
    return list(gathered.values()), definitions


def _compared(row: Record) -> str:
    return f"{integer(row.get('num_generated'))} crystals against {integer(row.get('num_reference'))}"
