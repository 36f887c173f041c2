"""Relax one part of a file of crystals."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.registry import module_of
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import relax_all
from sunflow.relaxation.potential import Potential, load_potential
from sunflow.stages.command import StageError, run

logger = logging.getLogger(__name__)


def relax(settings: dict, crystals: Path, part: int, num_parts: int, threads: int, output: Path) -> None:
    """Write every `num_parts`-th crystal, from number `part` (counted from 0) on, relaxed.

    Settings: `potential`, its `arguments`, and the fields of `Limits`. The rows are combed, not cut, because neighbours
    cost alike. A killed run continues from the journal beside its output.

    Raises:
        StageError: There is no such potential or part.
    """
    if not 0 <= part < num_parts:
        raise StageError(f"part {part} of {num_parts} does not exist: parts are counted from 0")
    load, limits = taken_apart(settings)
    potential = named_potential(load)
    code = code_fingerprint("sunflow.stages.relax", module_of(settings["potential"]))
    work = stamp(settings, file_hash(crystals), part, num_parts, potential.weights_hash, code)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        relaxed = relax_all(read_crystals(crystals)[part::num_parts], load, limits, journal, threads)
        counts = Counter(crystal.status for crystal in relaxed)
        assert counts["ok"] + counts["not_converged"] + counts["failed"] == len(relaxed)
        logger.info("%s crystals: %s", len(relaxed), dict(counts))
        write_crystals(output, relaxed, signature(potential))
        journal.remove()


def taken_apart(settings: dict[str, Any]) -> tuple[Callable[[], Potential], Limits]:
    """How a process loads the potential of a relaxer's settings, and the limits."""
    limits = {name: value for name, value in settings.items() if name not in ("potential", "arguments")}
    return partial(load_potential, settings["potential"], settings.get("arguments")), Limits(**limits)


def named_potential(load: Callable[[], Potential]) -> Potential:
    """The potential.

    Raises:
        StageError: It does not exist, or its weights are not installed.
    """
    try:
        return load()
    except (ValueError, FileNotFoundError) as error:
        raise StageError(str(error)) from error


def signature(potential: Potential) -> dict[str, Any]:
    """What identifies the source of energies, for the header of a file."""
    return {
        "potential": potential.name,
        "weights_hash": potential.weights_hash,
        "energy_scale": potential.energy_scale,
    }


if __name__ == "__main__":
    run(relax)
