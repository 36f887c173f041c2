"""Progress of long work: a bar with a rate on a terminal, a line of log now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)
T = TypeVar("T")
SECONDS_BETWEEN_LINES = 30.0


def progress(items: Iterable[T], description: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, showing how many of `total` are done and how many `unit` a second."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=description, unit=f" {unit}", total=total, dynamic_ncols=True)
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            logger.info("%s: %s of %s %s, %.3g a second", description, done, total or "?", unit, done / (now - start))
    logger.info("%s: %s %s in %.1f s", description, done, unit, time.monotonic() - start)
