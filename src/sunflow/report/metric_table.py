"""Tables of metrics as the page shows them: figures with their intervals, denominators and protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sunflow.report.rows import REFERENCE
from sunflow.report.text import NONE, distance, hundredths, integer, is_missing

PUBLISHED = " (published)"
"""What the name of a row of published figures ends in."""
Record = dict[Any, Any]
"""Line of a metric's CSV table: the ends of an interval of `x` are `x_low` and `x_high`."""


SETS = {"num_reference": "reference", "num_estimated": "estimated"}
"""Which crystals a column numbers, where they are not the requested ones."""


@dataclass(frozen=True)
class Column:
    """A metric.

    Attributes:
        name: Its column in the CSV table.
        label: Its heading on the page.
        better: `higher`, `lower`, or empty for what is neither.
        meaning: Its definition in words.
        total: The column whose number of crystals a rate is a share of; empty for what is no rate.
    """

    name: str
    label: str
    better: str
    meaning: str
    total: str = ""


@dataclass(frozen=True)
class Measured:
    """A cell: the figure, what it counts, its interval, and what it is of; empty where there is nothing to say."""

    text: str
    count: str = ""
    interval: str = ""
    about: str = ""


@dataclass(frozen=True)
class Line:
    """A row: a generator, the control or a publication.

    Attributes:
        name: Without the mark of what is published.
        color: Of its curves; None where it has none.
        is_reference: Whether it is the positive control.
        is_published: Whether others measured it.
        sizes: Numbers of crystals.
        figures: One per column.
        note: Number of its protocol, counted from 1.
    """

    name: str
    color: str | None
    is_reference: bool
    is_published: bool
    sizes: list[str]
    figures: list[Measured]
    note: int


@dataclass(frozen=True)
class MetricTable:
    """A table, what it tells, and by which protocols it was measured.

    Attributes:
        title: Its heading.
        meaning: Sentences for the reader.
        sizes: Headings of the numbers of crystals.
        columns: Metrics.
        lines: Rows.
        protocols: Footnotes.
    """

    title: str
    meaning: str
    sizes: list[str]
    columns: tuple[Column, ...]
    lines: list[Line]
    protocols: list[str]


def metric_table(
    title: str,
    meaning: str,
    sizes: dict[str, str],
    columns: Sequence[Column],
    records: Sequence[Record],
    colors: dict[str, str],
) -> MetricTable:
    """The table of these records.

    Args:
        title: Its heading.
        meaning: Sentences for the reader.
        sizes: Column of the CSV table that numbers crystals → its heading on the page.
        columns: Metrics.
        records: With `generator`, `protocol`, and `label` where one generator has several rows.
        colors: By label or generator.
    """
    protocols = list(dict.fromkeys(record["protocol"] for record in records))
    lines = [_line(record, sizes, columns, colors, protocols.index(record["protocol"]) + 1) for record in records]
    return MetricTable(title, meaning, list(sizes.values()), tuple(columns), lines, protocols)


def _line(record: Record, sizes: dict[str, str], columns: Sequence[Column], colors: dict[str, str], note: int) -> Line:
    name = str(record["generator"])
    return Line(
        name=record.get("label", name.removesuffix(PUBLISHED)),
        color=colors.get(record.get("label", name)),
        is_reference=name == REFERENCE,
        is_published=name.endswith(PUBLISHED),
        sizes=[_size(record.get(size)) for size in sizes],
        figures=[_rate(record, column) if column.total else _distance(record, column) for column in columns],
        note=note,
    )


def _size(numbers: Any) -> str:
    """A number of crystals, or the least and the greatest of several."""
    known = [number for number in (numbers if isinstance(numbers, list) else [numbers]) if not is_missing(number)]
    ends = sorted({min(known), max(known)}) if known else []
    return " to ".join(map(integer, ends)) or NONE


def _rate(record: Record, column: Column) -> Measured:
    rate: Any = record.get(column.name)
    total: Any = record.get(column.total)
    if is_missing(rate) or is_missing(total):
        return Measured(hundredths(rate))
    count = integer(round(rate * total))
    about = f"{count} of {integer(total)} {SETS.get(column.total, 'requested')} crystals"
    return Measured(hundredths(rate), count, _interval(record, column, hundredths), about)


def _distance(record: Record, column: Column) -> Measured:
    value = distance(record.get(column.name))
    if value == NONE:
        return Measured(NONE)
    return Measured(value, "", _interval(record, column, distance), record.get(f"{column.name}_about", ""))


def _interval(record: Record, column: Column, show: Any) -> str:
    low, high = (record.get(f"{column.name}_{end}") for end in ("low", "high"))
    return "" if is_missing(low) or is_missing(high) else f"{show(low)} to {show(high)}"
