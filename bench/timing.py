"""Process CPU time of variants, interleaved so that a busy machine treats them alike."""

import statistics
import time
from collections.abc import Callable, Mapping


def cpu_seconds(variants: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median CPU time of each variant over `repeats` rounds, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(repeats + 1):
        for name, variant in variants.items():
            start = time.process_time()
            variant()
            if round_number > 0:
                seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def print_against(reference: str, seconds: Mapping[str, float]) -> None:
    """One line per variant: its time, and how many times faster than the reference it is."""
    for name, value in seconds.items():
        print(f"{name:32s} {value:8.3f} s   {seconds[reference] / value:6.2f} x")
