"""Judge many predictions: in processes, and journaled, so that a killed run continues where it stopped."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from sunflow.evaluation.structure_prediction import Pair, judge, row_of
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.workers import Died, map_in_processes

ROWS_PER_RECORD = 16
"""Rows that are journaled together: about a second of work."""


def judge_all(pairs: Sequence[Pair], journal: Journal, num_processes: int) -> list[dict[str, Any]]:
    """The rows of all pairs, in their order, whatever the number of processes."""
    rows: dict[int, dict[str, Any]] = {index: row for record in journal.records for index, row in record["rows"]}
    left = [index for index in range(len(pairs)) if index not in rows]
    results = map_in_processes(_judging, [pairs[index] for index in left], num_processes)
    finished = iter(progress(results, "comparing", "predictions", total=len(left)))
    while record := [(left[i], _row(pairs[left[i]], result)) for i, result in islice(finished, ROWS_PER_RECORD)]:
        journal.append({"rows": record})
        rows.update(record)
    return [rows[index] for index in range(len(pairs))]


def _judging() -> Callable[[Pair], dict[str, Any]]:
    return judge


def _row(pair: Pair, result: dict[str, Any] | Died) -> dict[str, Any]:
    if isinstance(result, Died):
        return row_of(pair, "not_compared", f"the process died on this crystal, exit code {result.exit_code}")
    return result
