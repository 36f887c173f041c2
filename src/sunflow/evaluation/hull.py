"""The convex hull of formation energies: what every crystal is measured against."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pymatgen.core import Composition
from scipy.optimize import linprog

from sunflow.atomic import atomic_path

Coverage = Literal["same_composition", "same_system", "subsystems_only", "not_covered"]
DECIMALS = 4
"""Energies above hull are rounded to 0.1 meV/atom, far below any potential's error, before thresholds apply."""


@dataclass(frozen=True)
class HullDistance:
    """Where a crystal lies.

    Attributes:
        formation_energy_per_atom: eV/atom; None where an element has no reference.
        energy_above_hull: eV/atom, rounded, negative below the hull; None where the hull does not cover the crystal.
        coverage: What the reference knows of its composition.
    """

    formation_energy_per_atom: float | None
    energy_above_hull: float | None
    coverage: Coverage


@dataclass
class Hull:
    """Reference entries and the energies of the elements.

    Attributes:
        entries: Table with entry_id, formula, formation_energy_per_atom (eV/atom) and source.
        element_energies: eV/atom of every element, on the scale of the potential's total energies.
        metadata: Kind of hull, potential, hash of its weights, correction scheme.
    """

    entries: pd.DataFrame
    element_energies: dict[str, float]
    metadata: dict[str, Any]
    _by_system: dict[frozenset[str], dict[str, float]] = field(init=False, repr=False)
    _compositions: dict[str, Composition] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._compositions = {formula: Composition(formula) for formula in self.entries["formula"].unique()}
        lowest = self.entries.groupby("formula", sort=True)["formation_energy_per_atom"].min()
        self._by_system = {}
        for formula, energy in lowest.items():
            system = frozenset(self._compositions[str(formula)].chemical_system_set)
            self._by_system.setdefault(system, {})[str(formula)] = float(energy)

    def distance(self, composition: Composition, energy_per_atom: float) -> HullDistance:
        """Measure a crystal of this composition and total energy (eV/atom); it does not join the hull."""
        formation = self.formation_energy(composition, energy_per_atom)
        coverage = self.coverage(composition)
        if formation is None or coverage == "not_covered":
            return HullDistance(formation, None, "not_covered")
        above = round(formation - self.energy(composition), DECIMALS)
        return HullDistance(formation, above + 0.0, coverage)

    def formation_energy(self, composition: Composition, energy_per_atom: float) -> float | None:
        """Total energy minus that of the elements, eV/atom; None where an element has no reference."""
        fractions = composition.fractional_composition.get_el_amt_dict()
        if not fractions.keys() <= self.element_energies.keys():
            return None
        return energy_per_atom - sum(share * self.element_energies[name] for name, share in fractions.items())

    def coverage(self, composition: Composition) -> Coverage:
        """What the reference knows of a composition; `not_covered` where one of its elements has no entry."""
        system = frozenset(composition.chemical_system_set)
        if any(frozenset([element]) not in self._by_system for element in system):
            return "not_covered"
        known = self._by_system.get(system, {})
        if composition.reduced_formula in known:
            return "same_composition"
        return "same_system" if known else "subsystems_only"

    def energy(self, composition: Composition) -> float:
        """Formation energy of the hull at a composition, eV/atom: the best mixture of entries that makes it up.

        Raises:
            ValueError: No mixture of the entries has this composition.
        """
        target = composition.fractional_composition.get_el_amt_dict()
        elements = sorted(target)
        entries = [
            (self._compositions[formula].fractional_composition.get_el_amt_dict(), energy)
            for system, formulas in self._by_system.items()
            if system <= target.keys()
            for formula, energy in formulas.items()
        ]
        energies = np.array([energy for _, energy in entries])
        shares = np.array([[fractions.get(element, 0.0) for fractions, _ in entries] for element in elements])
        mixture = linprog(energies, A_eq=shares, b_eq=[target[element] for element in elements], bounds=(0, None))
        if not mixture.success:
            raise ValueError(f"the hull does not span {composition.reduced_formula}: {mixture.message}")
        return float(mixture.fun)

    def write(self, path: Path) -> None:
        """Write one Parquet file, atomically."""
        header = {**self.metadata, "element_energies": self.element_energies}
        table = pa.Table.from_pandas(self.entries, preserve_index=False)
        table = table.replace_schema_metadata({"sunflow": json.dumps(header)})
        with atomic_path(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> "Hull":
        """A hull that `write` wrote."""
        table = pq.read_table(path)
        header = json.loads(table.schema.metadata[b"sunflow"])
        return cls(table.to_pandas(), header.pop("element_energies"), header)


def entries_table(rows: Iterable[tuple[str, str, float, str]]) -> pd.DataFrame:
    """Rows of entry_id, reduced formula, formation energy (eV/atom) and source, in a fixed order."""
    columns = ["entry_id", "formula", "formation_energy_per_atom", "source"]
    return pd.DataFrame(sorted(rows), columns=columns)
