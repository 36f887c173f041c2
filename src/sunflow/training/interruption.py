"""Being asked to stop, by a cluster's time limit or by the user."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """While the block lasts, SIGTERM and SIGINT are remembered instead of obeyed; a second one is obeyed."""

    def __init__(self) -> None:
        self.signal: str | None = None
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
        self.signal = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
