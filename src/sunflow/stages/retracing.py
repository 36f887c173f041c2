"""A crystal sampled again, with what the generator made of it on the way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition, Generator
from sunflow.generators.requests import Request
from sunflow.journal import Journal
from sunflow.stages.sample import Trained
from sunflow.stages.sampling import Sampling


def retrace(trained: Trained, settings: dict[str, Any], requests: Sequence[Request], number: int) -> list[Crystal]:
    """The estimate of every step for one request, the crystal itself last; empty if it cannot be made.

    The crystal is sampled in the batch that it was first sampled in. Alone it would be the same but for rounding,
    which the sampler `redraw` can magnify a millionfold in a hundred steps. Each estimate has the crystal's name as
    `sample_id`, its `step`, and as `time` the one that the network was told: the share of the steps that lie behind.

    Args:
        trained: The generator.
        settings: That the crystals were sampled with.
        requests: All crystals that were sampled.
        number: Which of them is wanted.
    """
    wanted, size = requests[number].crystal_id, settings["batch_size"]
    first = number - number % size
    recorder = Recorder(trained.generator)
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl", wanted) as journal:
        known = {**vars(trained.sampling(settings, journal)), "generator": recorder}
        list(Retracing(**known, wanted=wanted).crystals(requests[first : first + size]))
    return [_estimate(batch, wanted, step, len(recorder.estimates)) for step, batch in enumerate(recorder.estimates, 1)]


class Recorder(Generator):
    """A generator that keeps the trajectory of one crystal of a batch.

    Attributes:
        place: Of this crystal in the batches to come; None where they do not hold it.
        estimates: Of that crystal, one per step, in the last batch that held it.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        self.task = generator.task
        self.place: int | None = None
        self.estimates: list[CrystalBatch] = []

    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """That of the generator."""
        return self.generator.loss(crystals, noise)

    def trajectory(self, condition: Condition, seeds: Sequence[int], sampler: str) -> Iterator[CrystalBatch]:
        """That of the generator."""
        return self.generator.trajectory(condition, seeds, sampler)

    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str) -> CrystalBatch:
        """The crystals at the end of the trajectory."""
        if self.place is None:
            return self.generator.sample(condition, seeds, sampler)
        self.estimates = []
        for batch in self.trajectory(condition, seeds, sampler):
            self.estimates.append(_one_of(batch, self.place))
        return batch


@dataclass
class Retracing(Sampling):
    """A sampling that tells its recorder where the wanted crystal is, in every try that it needs."""

    generator: Recorder
    wanted: str = ""

    def _attempt(self, requests: Sequence[Request], attempt: int) -> Iterator[Crystal]:
        names = [request.crystal_id for request in requests]
        self.generator.place = names.index(self.wanted) if self.wanted in names else None
        return super()._attempt(requests, attempt)


def _one_of(batch: CrystalBatch, place: int) -> CrystalBatch:
    """The crystal of this place alone."""
    first = int(batch.num_atoms[:place].sum())
    atoms = slice(first, first + int(batch.num_atoms[place]))
    failures = {0: batch.failures[place]} if place in batch.failures else {}
    return replace(batch.part(slice(place, place + 1), atoms), failures=failures)


def _estimate(batch: CrystalBatch, sample_id: str, step: int, num_steps: int) -> Crystal:
    name = f"{sample_id}_step_{step:0{len(str(num_steps))}d}"
    (crystal,) = batch.to("cpu").to_crystals([name])
    return crystal.with_properties(sample_id=sample_id, step=step, time=(step - 1) / num_steps)
