import os
import signal
import time
from functools import partial

import pytest

from sunflow.workers import Died, map_in_processes


def act(item):
    """Follow an instruction."""
    match item:
        case "die":
            os._exit(7)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "raise":
            raise KeyError("a bug")
        case "environment":
            return [os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
        case ("die once", path):
            if not path.exists():
                path.touch()
                os._exit(7)
            return "survived"
        case _:
            return 10 * item


def acting():
    return act


def dying():
    os._exit(3)


def raising():
    raise FileNotFoundError("no weights")


def collect(items, num_processes):
    return dict(map_in_processes(acting, items, num_processes))


@pytest.mark.parametrize("num_processes", [1, 3])
def test_every_item_has_its_result(num_processes):
    assert collect(list(range(7)), num_processes) == {n: 10 * n for n in range(7)}


def test_an_item_that_kills_its_process_harms_no_other():
    items = [0, "die", 2, "segfault", 4, 5]
    results = collect(items, 2)
    assert results[1] == Died(7)
    assert results[3] == Died(-signal.SIGSEGV)
    assert [results[n] for n in (0, 2, 4, 5)] == [0, 20, 40, 50]
    assert len(results) == len(items)


def test_an_item_that_has_bad_luck_once_is_tried_again(tmp_path):
    assert collect([("die once", tmp_path / "died")], 1) == {0: "survived"}


def test_the_last_item_may_be_the_deadly_one():
    assert collect([1, "die"], 1) == {0: 10, 1: Died(7)}


def test_no_items_need_no_process():
    assert list(map_in_processes(dying, [], 4)) == []


def test_workers_have_one_thread_and_our_own_environment_is_left_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert collect(["environment"], 1) == {0: ["1", "1"]}
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("prepare", "items", "message"),
    [
        (dying, [1, 2], "a process died while starting, exit code 3"),
        (raising, [1, 2], "FileNotFoundError: no weights"),
        (acting, ["raise"], "KeyError: 'a bug'"),
    ],
)
def test_what_is_no_items_fault_stops_the_work(prepare, items, message):
    with pytest.raises(RuntimeError, match=message):
        list(map_in_processes(prepare, items, 2))


def pids(folder):
    (folder / str(os.getpid())).touch()
    return partial(time.sleep)


def test_workers_end_when_their_parent_stops_listening(tmp_path):
    results = map_in_processes(partial(pids, tmp_path), [0.0, 60.0, 60.0], 2)
    next(results)
    results.close()
    found = [int(path.name) for path in tmp_path.iterdir()]
    assert found
    for pid in found:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
