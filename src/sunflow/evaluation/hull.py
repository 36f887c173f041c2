"""The convex hull of formation energies: what every crystal is measured against."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pymatgen.core import Composition

from sunflow.atomic import atomic_path
from sunflow.evaluation.hull_system import ChemicalSystem, Mixture

Coverage = Literal["same_composition", "same_system", "subsystems_only", "not_covered"]
DECIMALS = 4
"""Energies above hull are rounded to 0.1 meV/atom, far below any potential's error, before thresholds apply."""
COLUMNS = ["entry_id", "formula", "formation_energy_per_atom", "source", "published_energy_above_hull"]


@dataclass(frozen=True)
class HullDistance:
    """Where a crystal lies.

    Attributes:
        formation_energy_per_atom: eV/atom; None where an element has no reference.
        energy_above_hull: eV/atom, rounded, negative below the hull; None where the hull does not cover the crystal.
        coverage: What the reference knows of its composition.
        decomposition: The mixture that it is compared with: fractions of the atoms by formula; None as the energy.
    """

    formation_energy_per_atom: float | None
    energy_above_hull: float | None
    coverage: Coverage
    decomposition: dict[str, float] | None = None


@dataclass
class Hull:
    """Reference entries and the energies of the elements.

    Attributes:
        entries: Table with entry_id, formula, formation_energy_per_atom (eV/atom), source and
            published_energy_above_hull (eV/atom): empty where the energy is the entry's own, a number where it is
            that of the hull at the entry's composition, the entry itself lying so much higher.
        element_energies: eV/atom of every element, on the scale of the potential's total energies.
        metadata: Kind of hull, potential, hash of its weights, correction scheme, energy scale.
    """

    entries: pd.DataFrame
    element_energies: dict[str, float]
    metadata: dict[str, Any]
    _by_system: dict[frozenset[str], dict[str, float]] = field(init=False, repr=False)
    _compositions: dict[str, Composition] = field(init=False, repr=False)
    _systems: dict[frozenset[str], ChemicalSystem] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        finite = np.isfinite(self.entries["formation_energy_per_atom"].to_numpy(dtype=float))
        if not finite.all():
            raise ValueError(f"hull entry {self.entries['entry_id'][~finite].iloc[0]!r} has no finite formation energy")
        self._compositions = {formula: parsed(formula) for formula in self.entries["formula"].unique()}
        lowest = self.entries.groupby("formula", sort=True)["formation_energy_per_atom"].min()
        self._by_system, self._systems = {}, {}
        for formula, energy in lowest.items():
            system = frozenset(self._compositions[str(formula)].chemical_system_set)
            self._by_system.setdefault(system, {})[str(formula)] = float(energy)

    def distance(self, composition: Composition, energy_per_atom: float) -> HullDistance:
        """Measure a crystal of this composition and total energy (eV/atom); it does not join the hull."""
        formation = self.formation_energy(composition, energy_per_atom)
        coverage = self.coverage(composition)
        if formation is None or coverage == "not_covered":
            return HullDistance(formation, None, "not_covered")
        mixture = self.mixture(composition)
        return HullDistance(formation, rounded(formation - mixture.energy), coverage, mixture.shares)

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
        return self.mixture(composition).energy

    def mixture(self, composition: Composition) -> Mixture:
        """The mixture of entries of lowest energy at a composition, with its certificate.

        Raises:
            ValueError: No mixture of the entries has this composition.
        """
        return self.system(composition).mixture(composition.fractional_composition.get_el_amt_dict())

    def system(self, composition: Composition) -> ChemicalSystem:
        """The entries of a composition's chemical system and all its subsystems; made once."""
        elements = frozenset(composition.chemical_system_set)
        if elements not in self._systems:
            energies = dict(chain.from_iterable(self._by_system[part].items() for part in self._parts(elements)))
            fractions = {name: self._compositions[name].fractional_composition.get_el_amt_dict() for name in energies}
            self._systems[elements] = ChemicalSystem(sorted(elements), fractions, energies)
        return self._systems[elements]

    def joined_by(self, entries: pd.DataFrame) -> "Hull":
        """This hull with further entries on the same scale, as of `entries_table`."""
        return Hull(pd.concat([self.entries, entries], ignore_index=True), self.element_energies, self.metadata)

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

    def _parts(self, elements: frozenset[str]) -> Iterator[frozenset[str]]:
        """The system and its subsystems that have entries, in a fixed order."""
        if 2 ** len(elements) > len(self._by_system):
            yield from sorted((part for part in self._by_system if part <= elements), key=sorted)
        else:
            subsets = (combinations(sorted(elements), size) for size in range(1, len(elements) + 1))
            parts = (frozenset(part) for part in chain.from_iterable(subsets))
            yield from sorted((part for part in parts if part in self._by_system), key=sorted)


@cache
def parsed(formula: str) -> Composition:
    """The composition of a formula; hulls of tens of thousands of formulas are built of one another."""
    return Composition(formula)


def rounded(energy: float) -> float:
    """An energy to the decimals that verdicts see; never minus zero."""
    return round(energy, DECIMALS) + 0.0


def entries_table(rows: Iterable[tuple[str, str, float, str] | tuple[str, str, float, str, float]]) -> pd.DataFrame:
    """Rows of entry_id, reduced formula, formation energy (eV/atom) and source, in a fixed order.

    A fifth value is the published energy above hull of the entry, where the formation energy is that of the hull.
    """
    complete = sorted(((*row, None)[:5] for row in rows), key=lambda row: row[:4])
    return pd.DataFrame(complete, columns=COLUMNS).astype({COLUMNS[2]: float, COLUMNS[4]: float})
