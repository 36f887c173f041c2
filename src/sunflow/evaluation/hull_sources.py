"""The kinds of hull, and how each is built."""

import gzip
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pymatgen.core import Composition

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula
from sunflow.evaluation.hull import Hull, entries_table

logger = logging.getLogger(__name__)
ALREADY_CORRECTED = "MP2020, part of the potential's training labels and not applied again"
NEEDED = ("formation_energy_per_atom", "energy_above_hull")
ID_COLUMNS = ("material_id", "entry_id", "id")
FORMULA_COLUMNS = ("formula_pretty", "formula", "pretty_formula", "composition")


class HullError(Exception):
    """A hull cannot be built from these files; the message says what to do."""


def materials_project(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """The hull energy at the composition of every Materials Project entry: formation energy - energy above hull.

    Args:
        crystals: Not used.
        files: The public table of energies, and the elemental reference entries.
    """
    table, elements = files
    read = pd.read_csv(table, keep_default_na=False, na_values=[""])
    identity = _column(read, ID_COLUMNS, table)
    formula = _column(read, FORMULA_COLUMNS, table)
    for name in NEEDED:
        _column(read, (name,), table)
    read[list(NEEDED)] = read[list(NEEDED)].apply(pd.to_numeric, errors="coerce")
    known = read.dropna(subset=list(NEEDED))
    points = [
        (str(row[identity]), Composition(str(row[formula])).reduced_formula, row[NEEDED[0]] - row[NEEDED[1]], "MP")
        for row in known.to_dict("records")
    ]
    return _with_elements(points, elements, "materials_project")


def dataset(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """The hull energies that a dataset's own two columns imply; crystals without both give none.

    Args:
        crystals: All splits, with the properties `formation_energy_per_atom` and `energy_above_hull` (eV/atom).
        files: The elemental reference entries.
    """
    points = [
        (crystal.crystal_id, reduced_formula(crystal), float(formation) - float(above), "dataset")
        for crystal in crystals
        if (formation := crystal.properties.get(NEEDED[0])) is not None
        and (above := crystal.properties.get(NEEDED[1])) is not None
    ]
    if not points:
        raise HullError(
            "hull: dataset needs the properties formation_energy_per_atom and energy_above_hull, and no crystal has"
            " both; map them under the dataset's `properties`, or choose hull: self_consistent or materials_project"
        )
    return _with_elements(points, files[0], "dataset")


def self_consistent(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """Energies of the dataset's crystals and the elements by one potential.

    Args:
        crystals: Not used; their energies are in the file.
        files: The energies, with the potential and the hash of its weights in the header.
    """
    table = pq.read_table(files[0])
    header = json.loads((table.schema.metadata or {}).get(b"sunflow", b"{}"))
    rows = [row for row in table.to_pylist() if row["status"] == "ok"]
    compositions = {row["formula"]: Composition(row["formula"]) for row in rows}
    elements: dict[str, float] = {}
    for row in rows:
        if compositions[row["formula"]].is_element:
            symbol = compositions[row["formula"]].elements[0].symbol
            elements[symbol] = min(row["energy_per_atom"], elements.get(symbol, row["energy_per_atom"]))
    bare = Hull(entries_table([]), elements, {})
    points = [
        (row["entry_id"], compositions[row["formula"]].reduced_formula, formation, row["source"])
        for row in rows
        if (formation := bare.formation_energy(compositions[row["formula"]], row["energy_per_atom"])) is not None
    ]
    if lost := len(rows) - len(points):
        logger.warning("%d entries hold an element without a reference energy and are not in the hull", lost)
    metadata = {"potential": header["potential"], "weights_hash": header["weights_hash"]}
    return Hull(entries_table(points), elements, {"hull": "self_consistent", **metadata, "correction": "none"})


KINDS: dict[str, Callable[[Sequence[Crystal], Sequence[Path]], Hull]] = {
    "materials_project": materials_project,
    "dataset": dataset,
    "self_consistent": self_consistent,
}
"""Name in the configuration → builder."""


def read_element_energies(path: Path) -> dict[str, float]:
    """Energies of the elemental reference entries, corrections included, in eV/atom."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as stream:
        entries: dict[str, Any] = json.load(stream)
    energies = {}
    for symbol, entry in entries.items():
        correction = sum(adjustment.get("value", 0.0) for adjustment in entry.get("energy_adjustments", []))
        energies[symbol] = (entry["energy"] + correction) / sum(entry["composition"].values())
    return energies


def _with_elements(points: list[tuple[str, str, float, str]], path: Path, kind: str) -> Hull:
    """Points relative to the elements, which lie at zero by definition."""
    energies = read_element_energies(path)
    elements = [(f"element-{symbol}", Composition(symbol).reduced_formula, 0.0, "element") for symbol in energies]
    metadata = {"hull": kind, "potential": None, "weights_hash": None, "correction": ALREADY_CORRECTED}
    return Hull(entries_table([*points, *elements]), energies, metadata)


def _column(table: pd.DataFrame, names: tuple[str, ...], path: Path) -> str:
    for name in names:
        if name in table:
            return name
    raise HullError(
        f"{path} has no column {' or '.join(names)}; it has {', '.join(map(str, table.columns))}. Alternatives are"
        " hull: dataset and hull: self_consistent"
    )
