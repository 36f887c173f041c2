"""How the best generated crystal came to be: the generator's estimates of it, step by step."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.crystals.structures import write_extended_xyz
from sunflow.generators.requests import Request
from sunflow.stages.command import StageError, run
from sunflow.stages.retracing import retrace
from sunflow.stages.sample import Trained, requested

logger = logging.getLogger(__name__)

MAX_FRAMES = 50
TOLERANCE = 0.01
"""Å; how far the crystal may lie from the sample of its name by rounding alone."""
COLUMNS = ("crystal_id", "converged", "energy_above_hull", "sun")


def trajectory(
    settings: dict,
    task: str,
    weights: Path,
    accuracy_schedule: list[Path],
    targets: list[Path],
    samples: Path,
    crystals: Path,
    output: Path,
    output_frames: Path,
) -> None:
    """Write the trajectory of one of `samples`, chosen by the verdicts on them, for people and for the report.

    `settings` and the files of the generator are those that the samples were made with, and the crystal is generated
    again. Each frame has the name of the crystal as `sample_id`, its `step` and its `time` in [0, 1). Frames with
    numbers that are not finite are left out. The frames for the report carry `sample_id`, `num_steps` and, in words,
    any `difference` between the last frame and the sample in their metadata.
    """
    trained = Trained.read(settings, task, weights, accuracy_schedule)
    wanted = requested(settings, trained, targets)
    sample = chosen(crystals, read_crystals(samples))
    estimates = retrace(trained, settings, wanted, number_of(sample.crystal_id, wanted))
    difference = unlike(estimates[-1], sample) if estimates and sample.status == "ok" else ""
    if difference:
        logger.warning("the last frame is not the sample %s: %s", sample.crystal_id, difference)
    frames = list(finite(spread(estimates)))
    logger.info("crystal %s in %d frames of %d steps", sample.crystal_id, len(frames), len(estimates))
    told = {"sample_id": sample.crystal_id, "num_steps": len(estimates), "difference": difference}
    write_crystals(output_frames, frames, told)
    write_extended_xyz(output, frames)


def chosen(verdicts: Path, samples: Sequence[Crystal]) -> Crystal:
    """The S.U.N. sample of lowest energy above hull, else the converged one, else the first that is a crystal.

    Raises:
        StageError: The table of verdicts is of another kind or of other samples, or there are no samples.
    """
    table = pd.read_csv(verdicts, dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise StageError(f"{verdicts} has no column {missing[0]}: make it again (snakemake --forcerun sun)")
    if not samples:
        raise StageError(f"there are no samples for {verdicts}: ask for some (sampling.num_crystals)")
    converged = table[table["converged"].eq("True")]
    order = converged.assign(other=converged["sun"].ne("True"), energy=pd.to_numeric(converged["energy_above_hull"]))
    best = order.sort_values(["other", "energy", "crystal_id"])["crystal_id"].tolist()
    if not best:
        return next((sample for sample in samples if sample.status == "ok"), samples[0])
    for sample in samples:
        if sample.crystal_id == best[0]:
            return sample
    raise StageError(
        f"{verdicts} names crystal {best[0]}, which is no sample: make it again (snakemake --forcerun sun)"
    )


def number_of(crystal_id: str, requests: Sequence[Request]) -> int:
    """Which request this crystal answers.

    Raises:
        StageError: It answers none.
    """
    names = [request.crystal_id for request in requests]
    if crystal_id not in names:
        raise StageError(
            f"crystal {crystal_id} is none of the {len(names)} that the settings ask for: "
            "sample again (snakemake --forcerun sample)"
        )
    return names.index(crystal_id)


def spread(estimates: Sequence[Crystal]) -> list[Crystal]:
    """Estimates at equal distances of step, the last among them; all where they are few."""
    every = math.ceil(len(estimates) / MAX_FRAMES)
    return list(estimates[::-every][::-1]) if every else []


def finite(frames: Sequence[Crystal]) -> Iterator[Crystal]:
    """Those that can be shown: a cell without volume can, numbers that are not finite cannot."""
    for frame in frames:
        if np.isfinite(frame.lattice).all() and np.isfinite(frame.frac_coords).all():
            yield frame
        else:
            logger.info("%s is left out: its lattice or coordinates are not finite", frame.crystal_id)


def unlike(made: Crystal, sample: Crystal) -> str:
    """How the crystal that was generated again differs from the sample; empty where by rounding alone."""
    made_of, sampled = ([SYMBOLS[z - 1] for z in crystal.atomic_numbers] for crystal in (made, sample))
    if made_of != sampled:
        return f"its atoms are {' '.join(made_of)}, not {' '.join(sampled)}"
    turn = made.frac_coords - sample.frac_coords
    moved = np.linalg.norm((turn - np.round(turn)) @ sample.lattice, axis=1).max()
    strained = np.linalg.norm(made.lattice - sample.lattice, axis=1).max()
    if max(moved, strained) <= TOLERANCE:
        return ""
    return f"its atoms lie up to {moved:.2g} Å, the ends of its lattice vectors up to {strained:.2g} Å elsewhere"


if __name__ == "__main__":
    run(trajectory)
