"""Hull energies against pymatgen's phase diagram."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

import sunflow.crystals.demo
from bench.timing import cpu_seconds, print_against
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import reduced_formula
from sunflow.evaluation.hull import Hull, entries_table

NUM_COMPOSITIONS = 500


def hull(repeats: int, table: Path | None = None) -> None:
    """Energies at 500 compositions, in as many chemical systems as possible and in ten; entries are in memory."""
    known = _of_formation_energies(_demo() if table is None else _of_table(table))
    entries = {str(formula): PDEntry(formula, energy) for formula, energy in _lowest(known).items()}
    print(f"{len(known.entries)} entries of {table or 'the embedded dataset'}")
    for num_systems in (NUM_COMPOSITIONS, 10):
        compositions = _compositions(known, num_systems)
        variants = {
            "pymatgen's phase diagrams": lambda compositions=compositions: _theirs(known, entries, compositions),
            "programs and their facets": lambda compositions=compositions: _ours(known, compositions),
        }
        _check(*(variant() for variant in variants.values()))
        print(f"{len(compositions)} compositions in {len({c.chemical_system for c in compositions})} chemical systems")
        seconds = cpu_seconds(variants, repeats)
        print_against("pymatgen's phase diagrams", seconds)
        for name, value in seconds.items():
            print(f"{name:32s} {len(compositions) / value:8.0f} compositions a second")


def _demo() -> list[tuple[str, float]]:
    crystals = read_crystals(Path(sunflow.crystals.demo.__path__[0]) / "demo.parquet")
    return [(reduced_formula(c), float(c.properties["formation_energy_per_atom"] or 0.0)) for c in crystals]


def _of_table(path: Path) -> list[tuple[str, float]]:
    """Formulas and formation energies of a file with MP-20's columns; sodium nitride is NaN."""
    table = pd.read_csv(path, keep_default_na=False)
    formulas = [Composition(formula).reduced_formula for formula in table["pretty_formula"]]
    return list(zip(formulas, table["formation_energy_per_atom"].astype(float), strict=True))


def _of_formation_energies(points: list[tuple[str, float]]) -> Hull:
    """A hull of these and of all their elements at zero."""
    symbols = sorted({str(element) for formula, _ in points for element in Composition(formula).elements})
    elements = [(Composition(symbol).reduced_formula, 0.0) for symbol in symbols]
    return Hull(entries_table([(str(i), *point, "") for i, point in enumerate(elements + points)]), {}, {})


def _lowest(known: Hull) -> dict[str, float]:
    """Total formation energies (eV) by formula."""
    lowest = known.entries.groupby("formula")["formation_energy_per_atom"].min()
    return {str(formula): energy * Composition(str(formula)).num_atoms for formula, energy in lowest.items()}


def _compositions(known: Hull, num_systems: int) -> list[Composition]:
    """Random amounts of the elements of entries, drawn until there are so many chemical systems, then in turns."""
    random = np.random.default_rng(0)
    formulas = random.permutation([str(formula) for formula in known.entries["formula"].unique()])
    systems = list(dict.fromkeys(Composition(formula).chemical_system for formula in formulas))
    chosen = [system.split("-") for system in systems if "-" in system][:num_systems]
    drawn = (chosen[i % len(chosen)] for i in range(NUM_COMPOSITIONS))
    return [Composition(dict(zip(s, random.integers(1, 9, len(s)).tolist(), strict=True))) for s in drawn]


def _ours(known: Hull, compositions: Sequence[Composition]) -> list[float]:
    """With no chemical system prepared."""
    fresh = copy(known)
    fresh._systems = {}
    return [fresh.energy(composition) for composition in compositions]


def _theirs(known: Hull, entries: dict[str, PDEntry], compositions: Sequence[Composition]) -> list[float]:
    """One phase diagram per chemical system."""
    diagrams: dict[str, PhaseDiagram] = {}
    energies = []
    for composition in compositions:
        system = composition.chemical_system
        if system not in diagrams:
            diagrams[system] = PhaseDiagram([entries[formula] for formula in known.system(composition).formulas])
        energies.append(diagrams[system].get_hull_energy_per_atom(composition))
    return energies


def _check(theirs: list[float], ours: list[float]) -> None:
    """Both must say the same, to 1e-7 eV/atom."""
    error = np.abs(np.array(theirs) - np.array(ours)).max()
    if not error < 1e-7:
        raise AssertionError(f"the hull energies differ by {error:.1e} eV/atom")
    print(f"largest difference {error:.1e} eV/atom")
