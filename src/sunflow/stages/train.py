"""Train a generator on the crystals of a dataset."""

import logging
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.loader import CrystalLoader
from sunflow.crystals.space_groups import read_space_groups
from sunflow.crystals.statistics import dataset_statistics
from sunflow.generators.generator import Generator, build, module_of
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.stages.command import StageError, run
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import archive_weights, save_weights
from sunflow.training.fit import fit
from sunflow.training.hardware import choose_device
from sunflow.training.outcome import Outcome
from sunflow.training.parallel import Alone, is_first, processes
from sunflow.training.seeds import stream_seed
from sunflow.training.settings import TrainingSettings
from sunflow.training.states import TrainingStates
from sunflow.training.trainer import Trainer, TrainingError

logger = logging.getLogger(__name__)


def train(
    settings: dict,
    train: Path,
    val: Path,
    accuracy_schedule: list[Path],
    space_groups: list[Path],
    output: Path,
    output_description: Path,
    output_curve: Path,
) -> None:
    """Write the averaged weights of the lowest validation loss, their description and the training curve.

    Of a generator without parameters they hold what it remembers of the train split, and the curve has no rows. A
    killed training continues from the folder `training_state` beside the output. Every finished training stays in the
    folder `archive` under the hash of its weights. Several processes, started by `torchrun`, train together.
    """
    with processes() as group:
        crystals = usable_crystals(train)
        statistics = dataset_statistics(crystals, columns_of(settings))
        known = crystals_of_elements(usable_crystals(val), set(statistics["atomic_numbers"]), val)
        try:
            device = choose_device(group.local_rank)
            generator = prepare(settings, crystals, statistics, accuracy_schedule, space_groups, device)
            trainer = trainer_of(generator, settings, crystals, known, group)
        except ValueError as error:
            raise StageError(str(error)) from error
        made_from = {
            **settings,
            "processes": group.size,
            "data": {"train": file_hash(train), "val": file_hash(val)},
            "code": code_fingerprint("sunflow.stages.train", module_of(settings["kind"])),
        }
        states = TrainingStates(
            output.parent / "training_state", stamp(made_from, [*map(file_hash, [*accuracy_schedule, *space_groups])])
        )
        outcome = fit_to_the_end(trainer, states, output_curve) if trainer else Outcome(generator.state_dict())
        if group.first:
            description = {**made_from, "statistics": statistics, "versions": versions(), **outcome.numbers}
            save_weights(output, outcome.weights, output_description, description)
            outcome.curve.write(output_curve)
            logger.info("these weights are kept as %s", archive_weights(output, output_description))
            states.remove()


def fit_to_the_end(trainer: Trainer, states: TrainingStates, curve: Path) -> Outcome:
    """What the training comes to; say in a sentence why if it cannot be done."""
    try:
        fit(trainer, states, curve)
    except TrainingError as error:
        raise StageError(str(error)) from error
    except torch.OutOfMemoryError as error:
        raise StageError(f"the GPU's memory is too small for training.batch_size: lower it ({error})") from error
    return trainer.outcome


def prepare(
    settings: dict[str, Any],
    crystals: list[Crystal],
    statistics: dict[str, Any],
    accuracy_schedule: list[Path],
    space_groups: list[Path],
    device: torch.device,
) -> Generator:
    """The generator at its start, which knows the train split; the initial weights follow from the seed."""
    torch.manual_seed(stream_seed(settings["seed"], "initial weights", 0))
    accuracies = read_accuracies(accuracy_schedule)
    generator = build(settings["kind"], settings["task"], settings["model"], statistics, accuracies).to(device)
    tables = [read_space_groups(path) for path in space_groups]
    generator.remember(CrystalBatch.from_crystals(crystals, columns_of(settings)).to(device), *tables)
    return generator


def columns_of(settings: dict[str, Any]) -> list[str]:
    """The column of the dataset that the crystals can be asked for, if there is one."""
    return [name for name in [settings["model"].get("property")] if name]


def trainer_of(
    generator: Generator, settings: dict[str, Any], train: list[Crystal], val: list[Crystal], group: Alone
) -> Trainer | None:
    """The trainer at its start; None where the generator has no parameters to train."""
    parameters = list(generator.parameters())
    if not parameters:
        logger.info("%s has no parameters: there is nothing to train", settings["kind"])
        return None
    training = TrainingSettings.from_dict(settings["training"])
    logger.info("training: %s", asdict(training))
    device, size = parameters[0].device, training.batch_size
    order = stream_seed(settings["seed"], "order of crystals", 0)
    return Trainer(
        generator,
        CrystalLoader(train, size, device, order, group.rank, group.size, columns_of(settings)),
        CrystalLoader(val, size, device, None, group.rank, group.size, columns_of(settings)),
        training,
        settings["seed"],
        group,
    )


def usable_crystals(path: Path) -> list[Crystal]:
    """The crystals of a split whose status is ok; the others are counted in the log."""
    crystals = read_crystals(path)
    usable = [crystal for crystal in crystals if crystal.status == "ok"]
    if len(usable) < len(crystals):
        logger.warning(
            "%s: %d of %d crystals are not ok and left out", path, len(crystals) - len(usable), len(crystals)
        )
    if not usable:
        raise StageError(f"{path} holds no usable crystal: training needs at least one there")
    return usable


def crystals_of_elements(crystals: list[Crystal], atomic_numbers: set[int], path: Path) -> list[Crystal]:
    """The validation crystals without elements that the train split has not: their loss would mean nothing."""
    known = [crystal for crystal in crystals if atomic_numbers.issuperset(crystal.atomic_numbers.tolist())]
    if len(known) < len(crystals):
        unseen = len(crystals) - len(known)
        logger.warning(
            "%s: %d crystals hold elements that the train split has not, and are left out of the validation",
            path,
            unseen,
        )
    if not known:
        raise StageError(f"{path} holds no crystal made of elements of the train split: split the dataset otherwise")
    return known


def versions() -> dict[str, str]:
    """The software that trains."""
    return {"python": platform.python_version(), "torch": torch.__version__}


if __name__ == "__main__":
    if not is_first():
        logging.disable(logging.WARNING)
    run(train, writes=is_first())
