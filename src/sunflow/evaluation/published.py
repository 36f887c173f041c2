"""Figures of publications, to stand beside ours, each with the protocol that it was measured by."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sunflow.evaluation.tables import read_table

TABLE = "published.csv"
BENCHMARKS = ("mp20", "perov5", "carbon24", "mpts52")
"""Datasets that they were measured on."""


def published(benchmark: str | None, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One line per method and protocol that has any of these metrics: `method`, `protocol` and the values by name.

    Args:
        benchmark: One of `BENCHMARKS`; for another dataset nothing is published.
        metrics: Such as `recall`; rates are shares, distances in the units of the metric.
    """
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _table():
        if row["benchmark"] == benchmark and row["metric"] in metrics:
            line = lines.setdefault(
                (row["method"], row["protocol"]), {"method": row["method"], "protocol": row["protocol"]}
            )
            line[row["metric"]] = float(row["value"])
    yield from lines.values()


@cache
def _table() -> list[dict[str, str]]:
    return read_table(TABLE)
