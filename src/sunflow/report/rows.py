"""The rows of the results table, each with the crystals that it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sunflow.crystals.crystal import Crystal

REFERENCE = "reference"
DEMONSTRATION_BELOW = 500
"""Requested crystals below which a rate demonstrates that the pipeline works, and no more."""

_COLORS = ("#e0a000", "#2a9d8f", "#c8553d", "#7a6fd0", "#5c9636", "#c2528b")
REFERENCE_COLOR = "#8693a5"


@dataclass(frozen=True)
class Row:
    """One generator, task, relaxer and hull.

    Attributes:
        record: Its line of sun.csv.
        crystals: Its sun_crystals.csv, one line per requested crystal.
        relaxed: The relaxed crystals in the same order.
        label: Short name for legends: what distinguishes it from the other rows.
        color: The colour of its curves, readable on light and dark paper.
    """

    record: dict[str, Any]
    crystals: pd.DataFrame
    relaxed: list[Crystal]
    label: str
    color: str

    @property
    def is_reference(self) -> bool:
        """Whether this is the positive control: crystals of the dataset's own test split."""
        return self.record["generator"] == REFERENCE

    @property
    def num_requested(self) -> int:
        """The denominator of every rate."""
        return len(self.crystals)

    @property
    def energies(self) -> pd.Series:
        """Energies above hull of the converged crystals that have one, in eV/atom."""
        return self.crystals.loc[self.crystals["converged"].eq(True), "energy_above_hull"].dropna().astype(float)


def assemble(table: pd.DataFrame, crystals: Sequence[pd.DataFrame], relaxed: Sequence[list[Crystal]]) -> list[Row]:
    """The rows of the table with their crystals, given in the table's order."""
    records = table.to_dict("records")
    colors = _colors(records)
    return [
        Row({str(name): value for name, value in record.items()}, lines, structures, label, color)
        for record, lines, structures, label, color in zip(
            records, crystals, relaxed, _labels(records), colors, strict=True
        )
    ]


def _labels(records: Sequence[dict[Any, Any]]) -> list[str]:
    generated = [record for record in records if record["generator"] != REFERENCE]
    told = [name for name in ("task", "relaxer", "hull") if len({record[name] for record in generated}) > 1]
    return [
        " · ".join([record["generator"], *(record[name] for name in told if _tells(name, record))])
        for record in records
    ]


def _tells(name: str, record: dict[Any, Any]) -> bool:
    return not (name == "task" and record["generator"] == REFERENCE)


def _colors(records: Sequence[dict[Any, Any]]) -> list[str]:
    generated = [index for index, record in enumerate(records) if record["generator"] != REFERENCE]
    return [
        _COLORS[generated.index(index) % len(_COLORS)] if index in generated else REFERENCE_COLOR
        for index in range(len(records))
    ]
