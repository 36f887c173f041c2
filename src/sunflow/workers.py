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
from multiprocessing.context import SpawnProcess
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
class Worker:
    """A process and our end of the pipe to it; `index` is the item that it works on, None while it starts."""

    process: SpawnProcess
    connection: Connection
    index: int | None = None

    def receive(self) -> Any:
        """The result of the item, or `Died`.

        Raises:
            RuntimeError: The process could not start, or the function raised an error.
        """
        try:
            error, result = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.end()
            if self.index is None:
                raise RuntimeError(f"a process died while starting, exit code {self.process.exitcode}") from None
            return Died(self.process.exitcode)
        if error:
            raise RuntimeError(f"a process failed:\n{error}")
        return result

    def end(self) -> None:
        """Let the process go, and see it gone."""
        self.connection.close()
        self.process.join()


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
    deaths: Counter[int | None] = Counter()
    workers = _start(prepare, min(num_processes, len(items)))
    try:
        while workers:
            for connection in wait(list(workers)):
                worker = workers[connection]
                index, result = worker.index, worker.receive()
                if isinstance(result, Died):
                    del workers[connection]
                    deaths[index] += 1
                    if index is not None and deaths[index] < MAX_DEATHS:
                        waiting.appendleft(index)
                        index = None
                    workers |= _start(prepare, 1 if waiting else 0)
                elif waiting:
                    worker.index = waiting.popleft()
                    worker.connection.send(items[worker.index])
                else:
                    workers.pop(connection).end()
                if index is not None:
                    yield index, result
    finally:
        for worker in workers.values():
            worker.process.kill()
            worker.end()


def _start(prepare: Prepare, count: int) -> dict[Any, Worker]:
    context = get_context("spawn")
    workers: dict[Any, Worker] = {}
    with _environment(ONE_THREAD):
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(prepare, theirs), daemon=True)
            process.start()
            theirs.close()
            workers[ours] = Worker(process, ours)
    return workers


def _work(prepare: Prepare, connection: Connection) -> None:
    """The life of a worker: until the other end of its pipe is closed, be it by the death of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        function = prepare()
        connection.send((None, None))
        while True:
            connection.send((None, function(connection.recv())))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception:
        connection.send((traceback.format_exc(), None))


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
