"""Processes that may die without taking the work of the others with them."""

import os
import signal
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

MAX_DEATHS = 2
"""An item whose process has died this often is given up; once may have been bad luck (memory, a signal)."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Processes that share a machine lose a third of their time to one another's threads."""

Prepare = Callable[[], Callable[[Any], Any]]


@dataclass(frozen=True)
class Died:
    """What came of an item that ended its process."""

    exit_code: int | None


@dataclass
class _Worker:
    process: Any
    connection: Connection
    index: int | None = None


def map_in_processes(prepare: Prepare, items: Sequence[Any], num_processes: int) -> Iterator[tuple[int, Any]]:
    """Yield (index of item, result), in the order in which they finish.

    Args:
        prepare: Called once in every process; returns the function that is applied to the items. Picklable.
        items: Picklable values.
        num_processes: How many processes, each with one thread.

    Yields:
        Every index once; the result is a `Died` where the item has ended its process twice.

    Raises:
        RuntimeError: A process could not start, or the function raised an error.
    """
    waiting = deque(range(len(items)))
    deaths: Counter[int] = Counter()
    workers = {worker.connection: worker for worker in _start(prepare, min(num_processes, len(items)))}
    try:
        while workers:
            for connection in wait(list(workers)):
                worker = workers[connection]  # type: ignore[index]
                index, died = worker.index, False
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    kind, content, died = "result", _end_of(workers.pop(worker.connection)), True
                if kind == "error":
                    raise RuntimeError(f"a worker process failed:\n{content}")
                if died and index is None:
                    raise RuntimeError(f"a worker process died while starting, exit code {content.exit_code}")
                if died and index is not None:
                    deaths[index] += 1
                    workers |= {worker.connection: worker for worker in _start(prepare, 1)}
                    if deaths[index] < MAX_DEATHS:
                        waiting.appendleft(index)
                        continue
                elif waiting:
                    worker.index = waiting.popleft()
                    worker.connection.send((items[worker.index],))
                else:
                    _end_of(workers.pop(worker.connection))
                if index is not None:
                    yield index, content
    finally:
        for worker in workers.values():
            worker.process.kill()
            _end_of(worker)


def _start(prepare: Prepare, count: int) -> list[_Worker]:
    context = get_context("spawn")
    workers = []
    with _environment(ONE_THREAD):
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(prepare, theirs), daemon=True)
            process.start()
            theirs.close()
            workers.append(_Worker(process, ours))
    return workers


def _end_of(worker: _Worker) -> Died:
    worker.connection.close()
    worker.process.join()
    return Died(worker.process.exitcode)


def _work(prepare: Prepare, connection: Connection) -> None:
    """The life of a worker: until the other end of its pipe is closed, be it by the death of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        function = prepare()
        connection.send(("ready", None))
        while True:
            (item,) = connection.recv()
            connection.send(("result", function(item)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception:
        connection.send(("error", traceback.format_exc()))


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
