"""Being asked to stop, by a cluster's time limit or by the user."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

SECONDS_OF_ONE_REQUEST = 3.0


class Interruption:
    """While the block lasts, SIGTERM and SIGINT are remembered instead of obeyed; a later one is obeyed.

    A cluster and `torchrun` may both pass on the same request, so what follows within seconds counts as the first.

    Attributes:
        signal: The number of the one that was remembered; 0 if none was.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._since = 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._remember) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if not self.signal:
            self.signal, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > SECONDS_OF_ONE_REQUEST:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
