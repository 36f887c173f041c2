"""Relax one part of a file of crystals."""

from pathlib import Path

from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.relaxation.parallel import loader, relax_all
from sunflow.stages.command import run
from sunflow.stages.potential import named_potential


def relax(settings: dict, crystals: Path, part: int, num_parts: int, threads: int, output: Path) -> None:
    """Write every `num_parts`-th crystal, from number `part` (counted from 0) on, relaxed.

    Settings: `potential`, `max_force` (eV/Å), `max_steps`, `timeout` (seconds a crystal). Neighbouring crystals differ
    in cost less than distant ones, so parts are combed rather than cut. A killed run continues from its journal.
    """
    potential = named_potential(settings["potential"])
    rows = read_crystals(crystals)[part::num_parts]
    work = stamp(settings, file_hash(crystals), part, num_parts, potential.weights_hash, code_fingerprint(__name__))
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        relaxed = relax_all(
            rows,
            loader(settings["potential"]),
            max_force=settings["max_force"],
            max_steps=settings["max_steps"],
            timeout=settings["timeout"],
            journal=journal,
            num_processes=threads,
        )
        write_crystals(output, relaxed, {"potential": potential.name, "weights_hash": potential.weights_hash})
        journal.remove()


if __name__ == "__main__":
    run(relax)
