"""Generate crystals with a trained generator, or predict those of the test compositions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sunflow.atomic import write_json
from sunflow.crystals.crystal_systems import numbers_of
from sunflow.crystals.elements import atomic_number
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.generators import requests
from sunflow.generators.generator import TASKS, Generator, module_of
from sunflow.generators.requests import Request
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.stages.command import StageError, run
from sunflow.stages.reference import draw
from sunflow.stages.sampling import Sampling
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import WeightsError, load_generator, read_description
from sunflow.training.hardware import choose_device
from sunflow.training.seeds import stream_seed

logger = logging.getLogger(__name__)


def sample(
    settings: dict,
    task: str,
    weights: Path,
    accuracy_schedule: list[Path],
    targets: list[Path],
    output: Path,
    output_time: Path,
) -> None:
    """Write every requested crystal and the seconds that the network took.

    In structure prediction `targets` is the test split: its compositions are given. A crystal whose cell or positions
    are not finite is `failed`; whether the others make sense is judged later. Finished batches are kept in a journal
    beside the output, so that a killed run continues.
    """
    trained = Trained.read(settings, task, weights, accuracy_schedule)
    wanted = requested(settings, trained, targets)
    inputs = [file_hash(path) for path in (*accuracy_schedule, *targets)]
    code = code_fingerprint("sunflow.stages.sample", module_of(trained.description["kind"]))
    made_from = stamp(settings, task, trained.description["weights_hash"], inputs, code)
    with Journal(output.with_name("sampling_journal.jsonl"), made_from) as journal:
        sampling = trained.sampling(settings, journal)
        crystals = list(progress(sampling.crystals(wanted), "sampling", "crystals", total=len(wanted)))
        failed = sum(crystal.status == "failed" for crystal in crystals)
        finished = sum(crystal.status == "ok" for crystal in crystals)
        assert len(wanted) == finished + failed, f"{len(wanted)} requested, {finished} ok, {failed} failed"
        logger.info("%d crystals: %d ok, %d failed", len(wanted), finished, failed)
        write_crystals(
            output, crystals, {"weights_hash": trained.description["weights_hash"], "task": task, **settings}
        )
        write_json(output_time, {"network_seconds": sampling.seconds, "num_crystals": len(wanted)})
        journal.remove()


@dataclass(frozen=True)
class Trained:
    """A trained generator and what is known of its training, ready to sample."""

    generator: Generator
    description: dict[str, Any]
    device: torch.device

    @classmethod
    def read(cls, settings: dict[str, Any], task: str, weights: Path, accuracy_schedule: list[Path]) -> "Trained":
        """As `load`, with the accuracies of the schedule's file.

        Raises:
            StageError: The weights or the schedule cannot be used, or not for this task.
        """
        try:
            accuracies = read_accuracies(accuracy_schedule)
        except ValueError as error:
            raise StageError(str(error)) from error
        return cls.load(settings, task, weights, accuracies)

    @classmethod
    def load(cls, settings: dict[str, Any], task: str, weights: Path, accuracies: Tensor | None) -> "Trained":
        """The generator of these weights, with the number of steps of the settings.

        Raises:
            StageError: The weights cannot be used, or not for this task.
        """
        if task not in TASKS:
            raise StageError(f"task {task!r} is unknown to this stage: it knows {', '.join(TASKS)}")
        try:
            description = read_description(weights)
            if description["task"] != task:
                raise WeightsError(f"{weights} was trained for {description['task']}, not for {task}")
            steps = {} if settings["num_steps"] is None else {"num_steps": settings["num_steps"]}
            generator = load_generator(weights, accuracies, **steps)
        except (WeightsError, ValueError) as error:
            raise StageError(str(error)) from error
        device = choose_device()
        generator = generator.to(device)
        generator.prepare_sampling()
        return cls(generator, description, device)

    def sampling(self, settings: dict[str, Any], journal: Journal) -> Sampling:
        """How crystals are sampled with it."""
        required = [atomic_number(symbol) for symbol in settings.get("chemical_system") or ()]
        elements = [atomic_number(symbol) for symbol in settings.get("elements") or ()] or required
        known = self.description["statistics"]["atomic_numbers"]
        return Sampling(self.generator, settings, self.device, journal, known, elements or None, required)


def requested(settings: dict[str, Any], trained: Trained, targets: Sequence[Path]) -> list[Request]:
    """The crystals that are asked for.

    Raises:
        StageError: There is nothing to predict, or the train split has no crystals large enough.
    """
    if trained.description["task"] == "structure_prediction":
        crystals = [crystal for path in targets for crystal in read_crystals(path) if crystal.status == "ok"]
        if not crystals:
            raise StageError("structure prediction needs a test split with crystals, whose compositions it is given")
        chosen = draw(crystals, settings["num_compositions"] or len(crystals), settings["seed"])
        return [
            request
            for target in chosen
            for request in requests.of_composition(
                target.crystal_id, target.atomic_numbers.tolist(), settings["num_candidates"]
            )
        ]
    seeds = [stream_seed(settings["seed"], "number of atoms", index) for index in range(settings["num_crystals"])]
    smallest = max(1, len(settings.get("chemical_system") or ()))
    precedents, target = trained.generator.precedents, settings.get("target")
    groups = numbers_of(settings["space_groups"]) if settings.get("space_groups") else None
    try:
        if precedents is not None:
            return requests.like_precedents(precedents, seeds, smallest, groups, target)
        return requests.of_sizes(trained.description["statistics"]["num_atoms"], seeds, smallest)
    except ValueError as error:
        raise StageError(str(error)) from error


if __name__ == "__main__":
    run(sample)
