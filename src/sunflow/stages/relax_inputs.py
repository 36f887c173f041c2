"""Relax anybody's crystals into a folder, by the same code as the pipeline."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from sunflow.atomic import output_lock
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.inputs import read_inputs
from sunflow.crystals.structures import write_extended_xyz
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, stamp
from sunflow.registry import is_import_path, module_of
from sunflow.relaxation.parallel import relax_all
from sunflow.relaxation.potential import Potential
from sunflow.stages.command import StageError
from sunflow.stages.relax import named_potential, signature, taken_apart

logger = logging.getLogger(__name__)
RELAXED, STRUCTURES, TRAJECTORIES = "relaxed.parquet", "relaxed.extxyz", "trajectories.extxyz"
COLUMNS = (
    "converged",
    "energy_per_atom",
    "initial_energy_per_atom",
    "max_force",
    "max_stress",
    "steps",
    "attempts",
    "rmsd",
    "volume_change",
    "space_group_initial",
    "space_group",
)
"""What a relaxation says about a crystal; empty where there is nothing to say."""


def relax_inputs(crystals: Path, output: Path, settings: dict[str, Any], threads: int) -> list[Crystal]:
    """Write the relaxed crystals of a file or folder into the folder `output`, and return them.

    Every crystal is one row of `relaxed.parquet`; those with a structure are in `relaxed.extxyz` too, and with
    `trajectory_interval` among the settings their ways are in `trajectories.extxyz`. A killed run continues from its
    journal, and a finished one is not done again.

    Args:
        crystals: Anything that `read_inputs` reads.
        output: Folder, made where there is none.
        settings: `potential`, its `arguments`, and the fields of `Limits`.
        threads: Processes.

    Raises:
        StageError: There are no such crystals, no such potential, or other results in the folder.
        OutputLockedError: Another process writes them.
    """
    load, limits = taken_apart(settings)
    potential = named_potential(load)
    if is_import_path(settings["potential"]):
        _check_calculator(potential)
    try:
        given = [_bare(crystal) for crystal in read_inputs(crystals, threads)]
    except ValueError as error:
        raise StageError(str(error)) from error
    code = code_fingerprint(__name__, module_of(settings["potential"]))
    work = stamp(settings, [crystal.to_record() for crystal in given], potential.weights_hash, code)
    wanted = [RELAXED, STRUCTURES, *([TRAJECTORIES] if limits.trajectory_interval else [])]
    with output_lock(output / RELAXED):
        if _is_finished(output, wanted, work):
            logger.info("%s is finished already", output / RELAXED)
            return read_crystals(output / RELAXED)
        with Journal(output / f".{RELAXED}.journal", work) as journal:
            results = relax_all(given, load, limits, journal, threads)
            frames = [result for result in results if "frame_of" in result.properties]
            relaxed = [_row(result) for result in results if "frame_of" not in result.properties]
            assert [row.crystal_id for row in relaxed] == [crystal.crystal_id for crystal in given]
            if limits.trajectory_interval:
                write_extended_xyz(output / TRAJECTORIES, frames)
            structures = [row.with_properties(status=row.status) for row in relaxed if row.status != "failed"]
            write_extended_xyz(output / STRUCTURES, structures)
            write_crystals(output / RELAXED, relaxed, {**signature(potential), "settings": settings, "stamp": work})
            journal.remove()
    return relaxed


def summary(crystals: Sequence[Crystal]) -> str:
    """How many crystals ended how, and for which reasons, with an example of each; for people."""
    counts = Counter(crystal.status for crystal in crystals)
    ends = f"{counts['ok']} ok, {counts['not_converged']} not converged, {counts['failed']} failed"
    examples: dict[tuple[str, str], list[Crystal]] = {}
    for crystal in crystals:
        if crystal.status != "ok":
            key = (crystal.status.replace("_", " "), crystal.reason.partition(":")[0])
            examples.setdefault(key, []).append(crystal)
    lines = [
        f"  {len(alike)} {status}: {reason} (such as {alike[0].properties.get('file') or alike[0].crystal_id})"
        for (status, reason), alike in sorted(examples.items(), key=lambda item: (item[0][0], -len(item[1])))
    ]
    return "\n".join([f"{len(crystals)} crystals: {ends}", *lines])


def _check_calculator(potential: Potential) -> None:
    """Make an ASE calculator once before many processes do: it may be none, or download its weights.

    Raises:
        StageError: It cannot be made.
    """
    try:
        potential.evaluator(torch.device("cpu"))
    except Exception as error:
        raise StageError(f"{potential.name} cannot be made: {type(error).__name__}: {error}") from error


def _bare(crystal: Crystal) -> Crystal:
    """The crystal without what an earlier relaxation said about it."""
    stale = (*COLUMNS, "frame_of")
    return replace(
        crystal, properties={name: crystal.properties[name] for name in crystal.properties if name not in stale}
    )


def _row(crystal: Crystal) -> Crystal:
    """The crystal with a value in every column, in their order."""
    told = {name: crystal.properties.get(name) for name in COLUMNS}
    return _bare(crystal).with_properties(**told | {"converged": crystal.status == "ok"})


def _is_finished(output: Path, names: Sequence[str], work: str) -> bool:
    """Whether all these files of this work are there.

    Raises:
        StageError: The results of other work are.
    """
    if not (output / RELAXED).exists():
        return False
    try:
        found = read_metadata(output / RELAXED).get("stamp")
    except (pa.ArrowException, ValueError):
        found = None
    if found != work:
        other = "comes from other crystals, settings or code: choose another --output, or delete that file"
        raise StageError(f"{output / RELAXED} {other}")
    return all((output / name).exists() for name in names)
