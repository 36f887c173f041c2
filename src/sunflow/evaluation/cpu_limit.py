"""A bound on what one piece of work may cost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError once the block has used so many seconds of CPU time, however busy the machine is.

    For the main thread of a process alone; it takes effect between two steps of Python.
    """

    def stop(*_: object) -> NoReturn:
        raise TimeoutError(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
