"""A hull of the user's own entries: a table, or pymatgen's entries as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pymatgen.core import Composition

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.hull import Hull
from sunflow.evaluation.hull_elements import (
    HullError,
    number,
    read_json,
    relative_to_lowest,
    relative_to_zero,
    total_energy,
)
from sunflow.registry import MP2020

ID_COLUMNS = ("material_id", "entry_id", "id")
FORMULA_COLUMNS = ("formula_pretty", "formula", "pretty_formula", "composition")
TOTAL, FORMATION = "energy_per_atom", "formation_energy_per_atom"
CLASSES = ("ComputedEntry", "ComputedStructureEntry", "PDEntry")
OWN_SCALE = "the user's own"
"""Nothing but the user's word says that these energies are on the scale of the potential's."""
BELOW_ZERO = 0.01
"""eV/atom; no element lies that far below its own reference."""


@dataclass(frozen=True)
class _Entries:
    """Entry_id, reduced formula, energy (eV/atom) and source, and what kind of energy on which scale."""

    rows: list[tuple[str, str, float, str]]
    kind: str
    scale: str


def entries(crystals: Sequence[Crystal], files: Sequence[Path]) -> Hull:
    """The hull of the user's own entries.

    Args:
        crystals: Not used.
        files: A CSV with a formula and either `energy_per_atom` (total, on the potential's scale, the elements
            included) or `formation_energy_per_atom` (on the Materials Project's), or a JSON list or dictionary of
            pymatgen's computed entries. For formation energies the elemental reference entries follow.

    Raises:
        HullError: A file is malformed.
    """
    if not files:
        raise HullError("hull: entries needs a file of entries, CSV or JSON; name it in the dataset's settings")
    own = _of_json(files[0]) if ".json" in files[0].suffixes else _of_csv(files[0])
    if own.kind == FORMATION:
        return _of_formation_energies(own, files)
    metadata = {"hull": "entries", "potential": None, "weights_hash": None, "correction": "as in the user's file"}
    hull = relative_to_lowest(own.rows, {**metadata, "energy_scale": own.scale})
    if not hull.element_energies:
        raise HullError(f"{files[0]} has no entry of a pure element, so there is nothing to be relative to; add them")
    return hull


def _of_formation_energies(own: _Entries, files: Sequence[Path]) -> Hull:
    if len(files) != 2:
        raise HullError(
            f"{files[0]} holds formation energies: give a second file with the elemental reference entries, from which"
            f" the formation energies of crystals are computed, or the column {TOTAL} with the pure elements"
        )
    for name, formula, energy, _ in own.rows:
        if Composition(formula).is_element and energy < -BELOW_ZERO:
            raise HullError(
                f"{files[0]}, entry {name!r}: the element {formula} has a formation energy of {energy:g} eV/atom, but"
                f" elements are the zero of these energies; if they are total energies, name the column {TOTAL}"
            )
    return relative_to_zero(own.rows, files[1], "entries")


def _of_csv(path: Path) -> _Entries:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, EOFError, ValueError) as error:
        raise HullError(f"{path} cannot be read as CSV: {error}; write it anew and check that it is whole") from error
    kinds = [name for name in (TOTAL, FORMATION) if name in table]
    if len(kinds) != 1:
        raise HullError(f"{path} must have one of the columns {TOTAL} and {FORMATION}; it has {_listed(table)}")
    names = column(table, ID_COLUMNS, path) if set(ID_COLUMNS) & set(table) else None
    formula = column(table, FORMULA_COLUMNS, path)
    rows = [
        (row[names] if names else str(i), *_point(f"{path}, row {i}", row[formula], _float(row[kinds[0]])), path.name)
        for i, row in enumerate(table.to_dict("records"), start=1)
    ]
    return _Entries(_some(rows, path), kinds[0], OWN_SCALE)


def _of_json(path: Path) -> _Entries:
    """Only composition, energy and adjustments are read: no class is loaded, whatever the file names."""
    rows: list[tuple[str, str, float, str]] = []
    adjustments: list[dict[str, Any]] = []
    for name, entry in _dictionaries(path):
        place = f"{path}, entry {name!r}"
        try:
            atoms = sum(number(entry["composition"], symbol) for symbol in entry["composition"])
            energy = total_energy(entry) / atoms
            adjustments += entry.get("energy_adjustments") or []
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise HullError(f"{place}: composition and energy cannot be read: {error!r}; mend or remove it") from error
        rows.append((name, *_point(place, entry["composition"], energy), path.name))
    corrected = any(str(adjustment.get("name")).startswith(MP2020) for adjustment in adjustments)
    return _Entries(_some(rows, path), TOTAL, MP2020 if corrected else OWN_SCALE)


def _dictionaries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and dictionaries of the entries, of the classes that carry a total energy."""
    content = read_json(path)
    if not isinstance(content, list | dict):
        raise HullError(f"{path} must hold a list of pymatgen entries, or a dictionary of them by id")
    for place, entry in content.items() if isinstance(content, dict) else enumerate(content):
        kind = entry.get("@class", CLASSES[0]) if isinstance(entry, dict) else type(entry).__name__
        if kind not in CLASSES:
            raise HullError(f"{path}, entry {place!r} is of the kind {kind}, but must be one of {', '.join(CLASSES)}")
        yield str(place if isinstance(content, dict) else entry.get("entry_id") or place), entry


def _point(place: str, formula: Any, energy: float) -> tuple[str, float]:
    """Reduced formula and energy.

    Raises:
        HullError: The formula holds something else than elements, or the energy is no number.
    """
    if energy != energy or abs(energy) == float("inf"):
        raise HullError(f"{place}: the energy is missing or not a finite number; mend or remove the row")
    try:
        composition = Composition(formula)
        whole = Composition(composition.get_integer_formula_and_factor()[0])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise HullError(f"{place}: {formula!r} is not a formula; mend or remove the row") from error
    if not composition or not composition.valid:
        raise HullError(f"{place}: {formula!r} is not made of elements; mend or remove the row")
    return whole.reduced_formula, energy


def column(table: pd.DataFrame, names: tuple[str, ...], path: Path) -> str:
    """The first of these columns that the table has.

    Raises:
        HullError: It has none of them.
    """
    for name in names:
        if name in table:
            return name
    raise HullError(
        f"{path} has no column {' or '.join(names)}; it has {_listed(table)}. Alternatives are"
        " hull: dataset and hull: self_consistent"
    )


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns)) or "no columns"


def _some(rows: list[tuple[str, str, float, str]], path: Path) -> list[tuple[str, str, float, str]]:
    if not rows:
        raise HullError(f"{path} holds no entry; add some, or choose another hull")
    return rows


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
