"""Comparisons in processes that may die."""

import os
import signal
from dataclasses import dataclass

import pytest

from sunflow.evaluation.comparing import Outcome, run_all
from sunflow.evaluation.comparison import Failure
from sunflow.journal import Journal


@dataclass(frozen=True)
class Pairs:
    """Pairs of names: some comparisons end their process, one only when it is not compared."""

    name: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def size(self):
        return len(self.pairs)

    def run(self, comparer):
        if self.name == "hopeless":
            os._exit(5)
        return {"found": [comparer.guarded(*pair, lambda pair=pair: compare(*pair)) for pair in self.pairs]}


def compare(first, second):
    match second:
        case "deadly":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "broken":
            raise IndexError("no such atom")
        case "counted":
            with open(os.environ["COUNTED"], "a") as stream:
                stream.write(first)
    return f"{first}{second}"


def journal(path):
    return Journal(path / "journal", "stamp")


def test_a_pair_that_ends_its_process_is_named_and_the_others_are_compared(tmp_path):
    task = Pairs("x", (("a", "b"), ("a", "deadly"), ("b", "c"), ("c", "deadly"), ("c", "broken"), ("d", "e")))
    with journal(tmp_path) as record:
        outcomes = run_all([task, Pairs("y", (("p", "q"),))], record, 2)
    died = f"the process died, exit code {-signal.SIGSEGV}"
    failures = [Failure("a", "deadly", died), Failure("c", "deadly", died)]
    failures.append(Failure("c", "broken", "IndexError: no such atom"))
    assert outcomes["x"] == Outcome({"found": ["ab", None, "bc", None, None, "de"]}, failures)
    assert outcomes["y"] == Outcome({"found": ["pq"]}, [])


def test_a_task_that_dies_for_no_pair_has_no_outcome(tmp_path):
    with journal(tmp_path) as record:
        outcomes = run_all([Pairs("hopeless", (("a", "b"),))], record, 1)
    assert outcomes == {"hopeless": Outcome(None, [Failure("hopeless", "the others", "the process died, exit code 5")])}


def test_what_the_journal_holds_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTED", str(tmp_path / "counted"))
    tasks = [Pairs(name, ((name, "counted"),)) for name in "abc"]
    with journal(tmp_path) as record:
        first = run_all(tasks, record, 1)
    with journal(tmp_path) as record:
        again = run_all(tasks[::-1], record, 2)
    assert first == again
    assert sorted((tmp_path / "counted").read_text()) == ["a", "b", "c"]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_without_tasks_there_is_nothing(tmp_path, num_processes):
    with journal(tmp_path) as record:
        assert run_all([], record, num_processes) == {}
