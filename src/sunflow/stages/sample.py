"""Generate crystals with a trained generator."""

import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sunflow.atomic import write_json
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.generators.generator import KINDS, Condition, Generator
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.stages.command import StageError, run
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import WeightsError, load_generator, read_description
from sunflow.training.hardware import choose_device
from sunflow.training.seeds import stream_seed

logger = logging.getLogger(__name__)


def sample(
    settings: dict, task: str, weights: Path, accuracy_schedule: list[Path], output: Path, output_time: Path
) -> None:
    """Write every requested crystal and the seconds that the network took.

    A crystal whose cell or positions are not finite is `failed`; whether the others make sense is judged later.
    Finished batches are kept in a journal beside the output, so that a killed run continues.
    """
    if task != "generation":
        raise StageError(f"task {task!r} is unknown to this stage: it knows generation")
    try:
        description = read_description(weights)
        steps = {} if settings["num_steps"] is None else {"num_steps": settings["num_steps"]}
        generator = load_generator(weights, read_accuracies(accuracy_schedule), **steps)
    except (WeightsError, ValueError) as error:
        raise StageError(str(error)) from error
    code = code_fingerprint("sunflow.stages.sample", KINDS[description["kind"]])
    made_from = stamp(settings, task, description["weights_hash"], [*map(file_hash, accuracy_schedule)], code)
    device = choose_device()
    with Journal(output.with_name("sampling_journal.jsonl"), made_from) as journal:
        sampling = Sampling(generator.to(device), description["statistics"]["num_atoms"], settings, device, journal)
        total = settings["num_crystals"]
        crystals = list(progress(sampling.crystals(), "sampling", "crystals", total=total))
        failed = sum(crystal.status == "failed" for crystal in crystals)
        finished = sum(crystal.status == "ok" for crystal in crystals)
        assert total == finished + failed, f"{total} crystals requested, {finished} ok, {failed} failed"
        logger.info("%d crystals: %d ok, %d failed", total, finished, failed)
        write_crystals(output, crystals, {"weights_hash": description["weights_hash"], "task": task, **settings})
        seconds = sum(record["network_seconds"] for record in journal.records)
        write_json(output_time, {"network_seconds": seconds, "num_crystals": total})
        journal.remove()


@dataclass
class Sampling:
    """The batches of one sampling; crystal i depends on (seed, i) alone, whatever batch it is in.

    Attributes:
        num_atoms_counts: How often the train split has a crystal of so many atoms.
    """

    generator: Generator
    num_atoms_counts: dict[str, int]
    settings: dict[str, Any]
    device: torch.device
    journal: Journal

    def crystals(self) -> Iterator[Crystal]:
        """All crystals in order: those of the journal, then new ones, batch by batch."""
        num_crystals, batch_size = self.settings["num_crystals"], self.settings["batch_size"]
        for batch, first in enumerate(range(0, num_crystals, batch_size)):
            if batch == len(self.journal.records):
                self._sample(range(first, min(first + batch_size, num_crystals)))
            yield from map(Crystal.from_record, self.journal.records[batch]["crystals"])

    def _sample(self, indices: range) -> None:
        """Sample one batch and enter it in the journal."""
        seed = self.settings["seed"]
        num_atoms = torch.tensor([self._draw_num_atoms(stream_seed(seed, "number of atoms", i)) for i in indices])
        seeds = [stream_seed(seed, "sampling noise", i) for i in indices]
        start = time.perf_counter()
        try:
            generated = self.generator.sample(Condition(num_atoms.to(self.device)), seeds, self.settings["sampler"])
        except torch.OutOfMemoryError as error:
            raise StageError(f"the GPU's memory is too small for sampling.batch_size: lower it ({error})") from error
        generated = generated.to("cpu")
        seconds = time.perf_counter() - start
        crystals = map(checked, generated.to_crystals([f"{index:06d}" for index in indices]))
        self.journal.append({"network_seconds": seconds, "crystals": [crystal.to_record() for crystal in crystals]})

    def _draw_num_atoms(self, seed: int) -> int:
        """A number of atoms, by the frequencies of the train split."""
        sizes = sorted(int(size) for size in self.num_atoms_counts)
        counts = [self.num_atoms_counts[str(size)] for size in sizes]
        return random.Random(seed).choices(sizes, counts)[0]


def checked(crystal: Crystal) -> Crystal:
    """The crystal, or a failure that says why if its numbers are not finite."""
    for name in ("lattice", "frac_coords"):
        if not np.isfinite(getattr(crystal, name)).all():
            return Crystal.failure(crystal.crystal_id, f"the generated {name} is not finite")
    return crystal


if __name__ == "__main__":
    run(sample)
