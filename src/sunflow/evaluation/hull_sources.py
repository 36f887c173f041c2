"""The kinds of hull, and how each is built."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pymatgen.core import Composition

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula
from sunflow.evaluation.hull import Hull
from sunflow.evaluation.hull_elements import HullError, relative_to_lowest, relative_to_zero
from sunflow.evaluation.hull_entries import FORMULA_COLUMNS, ID_COLUMNS, column, entries

NEEDED = ("formation_energy_per_atom", "energy_above_hull")


def materials_project(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """The hull energy at the composition of every Materials Project entry: formation energy - energy above hull.

    Args:
        crystals: Not used.
        files: The public table of energies, and the elemental reference entries.
    """
    table, elements = files
    read = pd.read_csv(table, keep_default_na=False, na_values=[""])
    identity = column(read, ID_COLUMNS, table)
    formula = column(read, FORMULA_COLUMNS, table)
    for name in NEEDED:
        column(read, (name,), table)
    numbers = read[list(NEEDED)].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    read[list(NEEDED)] = numbers
    points = [
        (str(row[identity]), Composition(str(row[formula])).reduced_formula, *_on_the_hull(row, "MP"))
        for row in read.dropna(subset=list(NEEDED)).to_dict("records")
    ]
    return relative_to_zero(points, elements, "materials_project")


def dataset(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """The hull energies that a dataset's own two columns imply; crystals without both give none.

    Args:
        crystals: All splits, with the properties `formation_energy_per_atom` and `energy_above_hull` (eV/atom).
        files: The elemental reference entries.
    """
    points = [
        (crystal.crystal_id, reduced_formula(crystal), *_on_the_hull(crystal.properties, "dataset"))
        for crystal in crystals
        if all(crystal.properties.get(name) is not None for name in NEEDED)
    ]
    if not points:
        raise HullError(
            "hull: dataset needs the properties formation_energy_per_atom and energy_above_hull, and no crystal has"
            " both; map them under the dataset's `properties`, or choose hull: self_consistent or materials_project"
        )
    return relative_to_zero(points, files[0], "dataset")


def self_consistent(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """Energies of the dataset's crystals and the elements by one potential.

    A relaxation that has not converged counts as well: its energy is an upper bound, as all of a hull's are.

    Args:
        crystals: Not used; their energies are in the file.
        files: The energies, with the potential and the hash of its weights in the header.
    """
    table = pq.read_table(files[0])
    header = json.loads((table.schema.metadata or {}).get(b"sunflow", b"{}"))
    rows = [
        (row["entry_id"], row["formula"], row["energy_per_atom"], row["source"])
        for row in table.to_pylist()
        if row["status"] != "failed"
    ]
    potential, weights_hash = header["potential"], header["weights_hash"]
    metadata = {"hull": "self_consistent", "potential": potential, "weights_hash": weights_hash, "correction": "none"}
    return relative_to_lowest(rows, {**metadata, "energy_scale": f"{potential} (weights {weights_hash})"})


KINDS: dict[str, Callable[[Sequence[Crystal], Sequence[Path]], Hull]] = {
    "materials_project": materials_project,
    "dataset": dataset,
    "self_consistent": self_consistent,
    "entries": entries,
}
"""Name in the configuration → builder."""


def _on_the_hull(row: dict, source: str) -> tuple[float, str, float]:
    """Formation energy of the hull below an entry, source, and the entry's published energy above it."""
    formation, above = (float(row[name]) for name in NEEDED)
    return formation - above, source, above
