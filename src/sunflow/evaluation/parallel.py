"""Judge many predictions: in processes, and journaled, so that a killed run continues where it stopped."""

from collections.abc import Callable, Sequence
from typing import Any

from sunflow.evaluation.structure_prediction import Pair, judge, row_of
from sunflow.journal import Journal
from sunflow.resumable import map_resumable
from sunflow.workers import Died


def judge_all(pairs: Sequence[Pair], journal: Journal, num_processes: int) -> list[dict[str, Any]]:
    """The rows of all pairs, in their order, whatever the number of processes."""
    return map_resumable(_judging, pairs, journal, num_processes, "comparing", "predictions", _of_died)


def _judging() -> Callable[[Pair], dict[str, Any]]:
    return judge


def _of_died(pair: Pair, died: Died) -> dict[str, Any]:
    return row_of(pair, "not_compared", f"the process died on this crystal, exit code {died.exit_code}")
