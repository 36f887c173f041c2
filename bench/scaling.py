"""Relaxation in two processes against one."""

import resource
import statistics
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.samples import perturbed, real
from sunflow.journal import Journal
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import relax_all
from sunflow.relaxation.potential import load_potential


def scaling(repeats: int, mirror: Path | None = None, crystals: int = 64) -> None:
    """Wall time of `relax_all` for the same perturbed crystals, in pairs, start of the processes included."""
    sample = perturbed(real(mirror, crystals))
    ratios = []
    print(f"{len(sample)} perturbed crystals through relax_all")
    for _ in range(repeats):
        wall = {}
        for processes in (1, 2):
            start, used, busy = time.perf_counter(), _cpu_of_children(), _cpu_of_all()
            with TemporaryDirectory() as folder, Journal(Path(folder) / "journal", "scaling") as journal:
                relax_all(sample, partial(load_potential, "chgnet"), Limits(), journal, processes)
            wall[processes] = time.perf_counter() - start
            used, busy = _cpu_of_children() - used, _cpu_of_all() - busy
            print(
                f"  processes: {processes} {wall[processes]:7.1f} s of wall time, {used:7.1f} s of CPU time,"
                f" beside {(busy - used) / wall[processes]:.1f} cores' worth of other work"
            )
        ratios.append(wall[1] / wall[2])
        print(f"  ratio {ratios[-1]:.2f}")
    print(f"  median ratio {statistics.median(ratios):.2f}")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_of_all() -> float:
    """Seconds that all processes of this machine have used."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system
