"""Energies of a dataset's crystals and of the elements, relaxed as samples are: a self-consistent hull's points."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from ase.data import chemical_symbols

from sunflow.atomic import atomic_path
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import reduced_formula
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.registry import module_of
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.parallel import relax_all
from sunflow.relaxation.potential import Potential
from sunflow.stages.command import run
from sunflow.stages.relax import named_potential, signature, taken_apart

logger = logging.getLogger(__name__)

Row = dict[str, str | float | None]


def reference_energies(settings: dict, crystals: list[Path], threads: int, output: Path) -> None:
    """Write `entry_id, formula, energy_per_atom (eV/atom), source, status, reason`, one row per crystal.

    Settings: those of the relaxer, as for the stage `relax`; equal treatment lets systematic errors cancel.
    Sources: `shipped` (energies that the file holds, where they are of this very potential and force), `relaxed`, and
    `element`: the lowest of the relaxed structure types tried for an element for which the dataset ships nothing.
    """
    load, limits = taken_apart(settings)
    potential = named_potential(load)
    code = code_fingerprint("sunflow.stages.reference_energies", module_of(settings["potential"]))
    work = stamp(settings, [file_hash(path) for path in crystals], potential.weights_hash, code)
    shipped, unknown = _shipped_and_unknown(crystals, potential, limits.max_force)
    candidates = _elements(shipped + unknown, shipped, potential)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        relaxed = relax_all([*unknown, *candidates], load, limits, journal, threads)
        of_dataset, of_elements = relaxed[: len(unknown)], relaxed[len(unknown) :]
        rows = [_row(crystal, "shipped") for crystal in shipped]
        rows += [_row(crystal, "relaxed") for crystal in of_dataset]
        rows += [_row(crystal, "element") for crystal in _lowest_of_each_element(of_elements)]
        _write(output, rows, signature(potential))
        journal.remove()


def _shipped_and_unknown(
    paths: list[Path], potential: Potential, max_force: float
) -> tuple[list[Crystal], list[Crystal]]:
    """Crystals whose energy by this potential is in their file, and the others; named `<file>/<crystal_id>`.

    Energies count only where the file says that they were relaxed to the same forces.
    """
    shipped: list[Crystal] = []
    unknown: list[Crystal] = []
    for path in paths:
        metadata = read_metadata(path)
        same_method = (metadata.get("weights_hash"), metadata.get("max_force")) == (potential.weights_hash, max_force)
        for crystal in read_crystals(path):
            has_energy = same_method and crystal.properties.get("energy_per_atom") is not None
            group = shipped if has_energy else unknown
            group.append(replace(crystal, crystal_id=f"{path.stem}/{crystal.crystal_id}"))
    return shipped, unknown


def _elements(crystals: list[Crystal], shipped: list[Crystal], potential: Potential) -> list[Crystal]:
    """Structure types of every element of the dataset that has no shipped crystal of its own."""
    occurring = {number for crystal in crystals for number in crystal.atomic_numbers.tolist()}
    known = {crystal.atomic_numbers[0] for crystal in shipped if len(set(crystal.atomic_numbers.tolist())) == 1}
    for number in sorted(occurring - potential.atomic_numbers):
        logger.warning("no energy of element %s: %s does not know it", chemical_symbols[number], potential.name)
    return [
        replace(crystal, crystal_id=f"element/{crystal.crystal_id}")
        for number in sorted((occurring - known) & potential.atomic_numbers)
        for crystal in elemental_crystals(chemical_symbols[number])
    ]


def _lowest_of_each_element(relaxed: list[Crystal]) -> list[Crystal]:
    """The candidate of lowest energy for every element; one that still moved has an energy as well."""
    groups: dict[int, list[Crystal]] = {}
    for crystal in relaxed:
        groups.setdefault(int(crystal.atomic_numbers[0]), []).append(crystal)
    lowest = []
    for number, group in groups.items():
        if usable := [crystal for crystal in group if crystal.status != "failed"]:
            lowest.append(min(usable, key=_energy))
        else:
            reasons = "; ".join(sorted({crystal.reason for crystal in group}))
            logger.warning("no energy of element %s: %s", chemical_symbols[number], reasons)
    return lowest


def _energy(crystal: Crystal) -> float:
    return cast(float, crystal.properties["energy_per_atom"])


def _row(crystal: Crystal, source: str) -> Row:
    return {
        "entry_id": crystal.crystal_id,
        "formula": reduced_formula(crystal),
        "energy_per_atom": None if crystal.status == "failed" else crystal.properties["energy_per_atom"],
        "source": source,
        "status": crystal.status,
        "reason": crystal.reason,
    }


def _write(path: Path, rows: list[Row], metadata: dict[str, Any]) -> None:
    """The table as Parquet, with `metadata` where `read_metadata` finds it."""
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"sunflow": json.dumps(metadata)})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


if __name__ == "__main__":
    run(reference_energies)
