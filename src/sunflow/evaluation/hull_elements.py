"""Energies of the elements, which formation energies are relative to, and of computed entries in JSON."""

import gzip
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymatgen.core import Composition

from sunflow.evaluation.hull import Hull, entries_table, parsed
from sunflow.registry import MP2020

logger = logging.getLogger(__name__)
ALREADY_CORRECTED = "MP2020, part of the potential's training labels and not applied again"

Point = tuple[str, str, float, str] | tuple[str, str, float, str, float]
"""As `entries_table` takes them."""


class HullError(Exception):
    """A hull cannot be built from these files; the message says what to do."""


def relative_to_zero(points: Sequence[Point], path: Path, kind: str) -> Hull:
    """A hull of formation energies, on which the elements of this file lie at zero by definition."""
    energies = read_element_energies(path)
    elements = [(f"element-{symbol}", Composition(symbol).reduced_formula, 0.0, "element") for symbol in energies]
    metadata = {"hull": kind, "potential": None, "weights_hash": None, "correction": ALREADY_CORRECTED}
    return Hull(entries_table([*points, *elements]), energies, {**metadata, "energy_scale": MP2020})


def relative_to_lowest(rows: Sequence[tuple[str, str, float, str]], metadata: dict[str, Any]) -> Hull:
    """A hull of total energies, relative to the lowest of each element's own entries among them.

    Args:
        rows: entry_id, formula, total energy (eV/atom) and source.
        metadata: Of the hull.
    """
    compositions = {formula: parsed(formula) for _, formula, _, _ in rows}
    elements: dict[str, float] = {}
    for _, formula, energy, _ in rows:
        if compositions[formula].is_element:
            symbol = compositions[formula].elements[0].symbol
            elements[symbol] = min(energy, elements.get(symbol, energy))
    bare = Hull(entries_table([]), elements, {})
    points = [
        (name, compositions[formula].reduced_formula, formation, source)
        for name, formula, energy, source in rows
        if (formation := bare.formation_energy(compositions[formula], energy)) is not None
    ]
    if lost := len(rows) - len(points):
        occurring = {str(element) for composition in compositions.values() for element in composition.elements}
        without = ", ".join(sorted(occurring - elements.keys()))
        logger.warning("%d entries hold an element without a reference energy (%s): not in the hull", lost, without)
    return Hull(entries_table(points), elements, metadata)


def read_element_energies(path: Path) -> dict[str, float]:
    """Energies of the elemental reference entries, corrections included, in eV/atom.

    Raises:
        HullError: The file is not a dictionary of computed entries by element.
    """
    entries = read_json(path)
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise HullError(f"{path} is not a dictionary of computed entries by element; give the elemental reference file")
    energies = {}
    for symbol, entry in entries.items():
        try:
            energies[symbol] = total_energy(entry) / sum(entry["composition"].values())
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise HullError(f"{path}, element {symbol!r}: {error!r}; give the elemental reference file") from error
    return energies


def read_json(path: Path) -> Any:
    """The content of a JSON file, compressed or not, as plain lists and dictionaries.

    Raises:
        HullError: It is not JSON.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise HullError(f"{path} cannot be read as JSON: {error}; write it anew and check that it is whole") from error


def total_energy(entry: dict[str, Any]) -> float:
    """Energy of a pymatgen entry's dictionary with its adjustments, in eV per its composition.

    As pymatgen does, `correction` counts only where there are no adjustments.

    Raises:
        ValueError: A number is missing or not one.
    """
    adjustments = entry.get("energy_adjustments") or []
    correction = sum(map(_adjustment, adjustments)) if adjustments else number(entry, "correction", 0.0)
    return number(entry, "energy") + correction


def number(entry: dict[str, Any], key: str, default: float | None = None) -> float:
    """A finite number of a dictionary.

    Raises:
        ValueError: It is missing and has no default, or is something else.
    """
    value = default if entry.get(key) is None else entry[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} is {value!r} but must be a finite number")
    return float(value)


def _adjustment(adjustment: dict[str, Any]) -> float:
    """Constant and manual ones, or those per atom, or per degree and atom; in eV."""
    if "value" in adjustment:
        return number(adjustment, "value")
    if "adj_per_atom" in adjustment:
        return number(adjustment, "adj_per_atom") * number(adjustment, "n_atoms")
    if "adj_per_deg" in adjustment:
        return number(adjustment, "adj_per_deg") * number(adjustment, "temp") * number(adjustment, "n_atoms")
    raise ValueError(f"an energy adjustment has none of value, adj_per_atom and adj_per_deg: {sorted(adjustment)}")
