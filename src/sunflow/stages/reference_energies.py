"""Energies of a dataset's crystals and of the elements by one potential: the points of a self-consistent hull."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from ase.data import chemical_symbols

from sunflow.atomic import atomic_path
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import reduced_formula
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.parallel import Load, evaluate_all, loader, relax_all
from sunflow.relaxation.potential import POTENTIALS, Potential
from sunflow.stages.command import run
from sunflow.stages.relax import named_potential

logger = logging.getLogger(__name__)

Row = dict[str, str | float | None]


def reference_energies(potential: str, crystals: list[Path], threads: int, output: Path) -> None:
    """Write `entry_id, formula, energy_per_atom (eV/atom), source, status, reason`, one row per crystal.

    Sources: `dataset` (energies that the file ships, where they are of this very potential), `single_point`, and
    `element`: the lowest of the relaxed structure types tried for an element for which the dataset ships nothing.
    """
    known = named_potential(potential)
    code = code_fingerprint("sunflow.stages.reference_energies", POTENTIALS[potential])
    work = stamp([file_hash(path) for path in crystals], known.weights_hash, code)
    shipped, unknown = _shipped_and_unknown(crystals, known)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        evaluated = evaluate_all(unknown, loader(potential), journal, threads)
        elements = _elements(shipped, unknown, known, loader(potential), journal, threads)
        rows = [_row(crystal, "dataset") for crystal in shipped]
        rows += [_row(crystal, "single_point") for crystal in evaluated]
        rows += [_row(crystal, "element") for crystal in elements]
        _write(output, rows, {"potential": known.name, "weights_hash": known.weights_hash})
        journal.remove()


def _shipped_and_unknown(paths: list[Path], potential: Potential) -> tuple[list[Crystal], list[Crystal]]:
    """Crystals whose energy by this potential is in their file, and the others; named `<file>/<crystal_id>`."""
    shipped: list[Crystal] = []
    unknown: list[Crystal] = []
    for path in paths:
        same_weights = read_metadata(path).get("weights_hash") == potential.weights_hash
        for crystal in read_crystals(path):
            has_energy = same_weights and crystal.properties.get("energy_per_atom") is not None
            group = shipped if has_energy else unknown
            group.append(replace(crystal, crystal_id=f"{path.stem}/{crystal.crystal_id}"))
    return shipped, unknown


def _elements(
    shipped: list[Crystal],
    unknown: list[Crystal],
    potential: Potential,
    load: Load,
    journal: Journal,
    threads: int,
) -> list[Crystal]:
    """The lowest structure type of every element of the dataset that has no shipped crystal of its own."""
    occurring = {number for crystal in shipped + unknown for number in crystal.atomic_numbers.tolist()}
    known = {crystal.atomic_numbers[0] for crystal in shipped if len(set(crystal.atomic_numbers.tolist())) == 1}
    candidates = {
        number: [
            replace(crystal, crystal_id=f"element/{crystal.crystal_id}")
            for crystal in elemental_crystals(chemical_symbols[number])
        ]
        for number in sorted((occurring - known) & potential.atomic_numbers)
    }
    for number in sorted(occurring - potential.atomic_numbers):
        logger.warning("no energy of element %s: %s does not know it", chemical_symbols[number], potential.name)
    everything = [crystal for group in candidates.values() for crystal in group]
    relaxed = relax_all(
        everything, load, max_force=0.02, max_steps=500, timeout=600.0, journal=journal, num_processes=threads
    )
    return [lowest for number in candidates if (lowest := _lowest(number, relaxed))]


def _lowest(number: int, relaxed: list[Crystal]) -> Crystal | None:
    """The candidate of lowest energy; one that still moved has an energy as well."""
    group = [crystal for crystal in relaxed if number in crystal.atomic_numbers]
    usable = [crystal for crystal in group if crystal.status != "failed"]
    if not usable:
        reasons = "; ".join(sorted({crystal.reason for crystal in group}))
        logger.warning("no energy of element %s: %s", chemical_symbols[number], reasons)
        return None
    return replace(min(usable, key=_energy), status="ok", reason="")


def _energy(crystal: Crystal) -> float:
    return cast(float, crystal.properties["energy_per_atom"])


def _row(crystal: Crystal, source: str) -> Row:
    return {
        "entry_id": crystal.crystal_id,
        "formula": reduced_formula(crystal),
        "energy_per_atom": crystal.properties.get("energy_per_atom"),
        "source": source,
        "status": crystal.status,
        "reason": crystal.reason,
    }


def _write(path: Path, rows: list[Row], metadata: dict[str, str]) -> None:
    """The table as Parquet, with `metadata` where `read_metadata` finds it."""
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"sunflow": json.dumps(metadata)})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


if __name__ == "__main__":
    run(reference_energies)
