"""Peak memory of a step of training against a plain one, each in a fresh process."""

import json
import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate
from pathlib import Path

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from bench.paper import batch, paper_generator, plain_generator
from bench.training import NUM_STEPS, PLAIN, TrainingStep
from sunflow.crystals.batch import CrystalBatch

MIB = 2**20


def memory() -> None:
    """What two steps for 64 crystals need beyond what the process held before: weights, crystals and libraries."""
    for what, measure in (("largest sum of tensors", largest_sum_of_tensors), ("largest resident set", largest_growth)):
        peaks = {name: _in_fresh_process(measure, name) for name in (PLAIN, "Sunflow")}
        told = ", ".join(f"{name} {peak / MIB:.0f} MiB" for name, peak in peaks.items())
        print(f"{what}: {told}; ratio {peaks['Sunflow'] / peaks[PLAIN]:.2f}")


def _in_fresh_process(measure: Callable[[str], float], name: str) -> float:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, name).result()


def largest_sum_of_tensors(name: str) -> float:
    """Bytes: the allocations less the releases that PyTorch reports, at their highest."""
    step, crystals = _ready(name)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        _two(step, crystals)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]")
    return max(accumulate(size for _, size in changes))


def largest_growth(name: str) -> float:
    """Bytes: the process's peak less its size before, which counts what malloc keeps and cannot give back, too."""
    step, crystals = _ready(name)
    before = psutil.Process().memory_info().rss
    _two(step, crystals)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before


def _ready(name: str) -> tuple[TrainingStep, CrystalBatch]:
    """The step, after one of a tiny network, which loads the libraries."""
    torch.set_num_threads(1)
    crystals = batch()
    _step(name, hidden_dim=16, num_layers=1)(crystals)
    return _step(name), crystals


def _two(step: TrainingStep, crystals: CrystalBatch) -> None:
    """The first step creates the optimiser's state, so that the second needs more."""
    step(crystals)
    step(crystals)


def _step(name: str, **smaller: int) -> TrainingStep:
    generator = paper_generator(NUM_STEPS, **smaller)
    return TrainingStep(plain_generator(generator) if name == PLAIN else generator, fused=name != PLAIN)
