"""Many comparisons: in processes, journaled, and none lost where one of them ends its process."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

from sunflow.evaluation.comparison import Comparer, Failure
from sunflow.journal import Journal
from sunflow.resumable import map_resumable
from sunflow.workers import Died, map_in_processes


@runtime_checkable
class Task(Protocol):
    """Comparisons that belong together. Picklable."""

    @property
    def name(self) -> str:
        """Unique among the tasks of a run."""

    @property
    def size(self) -> int:
        """How many comparisons it may take."""

    def run(self, comparer: Comparer) -> dict[str, Any]:
        """What was found, of JSON's types."""


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        found: As it told; None where its process died outside of a comparison.
        failures: Comparisons without a verdict.
    """

    found: dict[str, Any] | None
    failures: list[Failure]

    def to_record(self) -> dict[str, Any]:
        """Of JSON's types."""
        return {"found": self.found, "failures": [astuple(failure) for failure in self.failures]}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Outcome":
        """The outcome of a record."""
        return cls(record["found"], [Failure(*failure) for failure in record["failures"]])


@dataclass(frozen=True)
class Work:
    """A task on its way to a process.

    Attributes:
        task: What to do.
        bookmark: File that names the pair at work, for those who come after the death of the process.
        given_up: Pairs that have ended a process, and how.
    """

    task: Task
    bookmark: Path
    given_up: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Do it; the record of its outcome."""
        with self.bookmark.open("w") as stream:

            def announce(first: str, second: str) -> None:
                stream.seek(0)
                stream.truncate()
                stream.write(json.dumps([first, second]))
                stream.flush()

            comparer = Comparer(announce, self.given_up)
            found = self.task.run(comparer)
        self.bookmark.unlink()
        return Outcome(found, comparer.failures).to_record()

    def without_what_died(self, died: Died) -> dict[str, Any]:
        """The record of the outcome when the pairs that end its process are given up, one after the other."""
        result: Any = died
        work = self
        while isinstance(result, Died):
            reason = f"the process died, exit code {result.exit_code}"
            text = self.bookmark.read_text() if self.bookmark.exists() else ""
            pair = tuple(json.loads(text)) if text else None
            if pair is None or pair in work.given_up:
                return Outcome(None, [Failure(self.task.name, "the others", reason)]).to_record()
            work = replace(work, given_up={**work.given_up, pair: reason})
            ((_, result),) = map_in_processes(_working, [work], 1)
        return result


def run_all(tasks: Sequence[Task], journal: Journal, num_processes: int) -> dict[str, Outcome]:
    """Outcomes by the names of their tasks, whatever the number of processes; the largest tasks come first."""
    ordered = sorted(tasks, key=lambda task: (-task.size, task.name))
    with TemporaryDirectory() as folder:
        work = [Work(task, Path(folder) / str(index)) for index, task in enumerate(ordered)]
        records = map_resumable(_working, work, journal, num_processes, "comparing", "groups", Work.without_what_died)
    return {task.name: Outcome.from_record(record) for task, record in zip(ordered, records, strict=True)}


def _working() -> Callable[[Work], dict[str, Any]]:
    return Work.run
