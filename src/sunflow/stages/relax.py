"""Relax one part of a file of crystals."""

import logging
from collections import Counter
from pathlib import Path

from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.relaxation.parallel import loader, relax_all
from sunflow.relaxation.potential import POTENTIALS, Potential, load_potential
from sunflow.stages.command import StageError, run

logger = logging.getLogger(__name__)


def relax(settings: dict, crystals: Path, part: int, num_parts: int, threads: int, output: Path) -> None:
    """Write every `num_parts`-th crystal, from number `part` (counted from 0) on, relaxed.

    Settings: `potential`, `max_force` (eV/Å), `max_steps`, `timeout` (seconds per crystal). The rows are combed, not
    cut, because neighbours cost alike. A killed run continues from the journal beside its output.

    Raises:
        StageError: There is no such potential or part.
    """
    if not 0 <= part < num_parts:
        raise StageError(f"part {part} of {num_parts} does not exist: parts are counted from 0")
    potential = named_potential(settings["potential"])
    code = code_fingerprint("sunflow.stages.relax", POTENTIALS[settings["potential"]])
    work = stamp(settings, file_hash(crystals), part, num_parts, potential.weights_hash, code)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        relaxed = relax_all(
            read_crystals(crystals)[part::num_parts],
            loader(settings["potential"]),
            max_force=float(settings["max_force"]),
            max_steps=settings["max_steps"],
            timeout=float(settings["timeout"]),
            journal=journal,
            num_processes=threads,
        )
        counts = Counter(crystal.status for crystal in relaxed)
        assert counts["ok"] + counts["not_converged"] + counts["failed"] == len(relaxed)
        logger.info("%s crystals: %s", len(relaxed), dict(counts))
        write_crystals(output, relaxed, {"potential": potential.name, "weights_hash": potential.weights_hash})
        journal.remove()


def named_potential(name: str) -> Potential:
    """The potential that the configuration calls `name`.

    Raises:
        StageError: It does not exist, or its weights are not installed.
    """
    try:
        return load_potential(name)
    except (ValueError, FileNotFoundError) as error:
        raise StageError(str(error)) from error


if __name__ == "__main__":
    run(relax)
