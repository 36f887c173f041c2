"""CHGNet's labels carry the corrections of 2020 already: applying them again would show on oxides and sulfides."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Structure

from sunflow.crystals.sources import read_entries
from sunflow.crystals.structures import composition, from_structure
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.evaluation.hull_elements import read_element_energies
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.potential import load_potential

DATA = Path(__file__).parents[2].parent / "shared/data"
TEST_SPLIT = next(iter((DATA / "mp_20").glob("test.csv*")), None)
ELEMENTS = next(iter((DATA / "hull").glob("*elemental-reference*")), None)


DOUBLED = {"O": 0.687, "S": 0.503}
"""eV per atom of the anion, by which corrections applied twice would lower the energy."""


def symbols(entry):
    return set(re.findall(r"[A-Z][a-z]?", re.search(r"_chemical_formula_sum\s+(.*)", entry.content)[1]))


def share(crystal, symbol):
    return composition(crystal).get_atomic_fraction(symbol)


@pytest.mark.skipif(not (TEST_SPLIT and ELEMENTS), reason="needs ../shared/data/mp_20 and ../shared/data/hull")
@pytest.mark.parametrize(("anion", "others"), [("O", "S F Cl Br I N Se Te H"), ("S", "O F Cl Br I N Se Te H")])
def test_formation_energies_are_those_published(anion, others):
    entries = read_entries(TEST_SPLIT, "material_id", "cif", {"published": "formation_energy_per_atom"})
    bare = Hull(entries_table([]), read_element_energies(ELEMENTS), {})
    chosen = [entry for entry in entries if anion in symbols(entry) and not symbols(entry) & set(others.split())][::7]
    crystals = [from_structure(entry.crystal_id, Structure.from_str(entry.content, fmt="cif")) for entry in chosen[:40]]
    geometry = Geometry.of(crystals, torch.device("cpu"))
    evaluation = load_potential("chgnet").evaluator(torch.device("cpu")).evaluate(geometry)
    energies = (evaluation.energies / geometry.num_atoms).tolist()
    errors = [
        bare.formation_energy(composition(crystal), energy) - entry.properties["published"]
        for entry, crystal, energy in zip(chosen, crystals, energies, strict=False)
    ]
    assert len(errors) == 40
    assert abs(np.mean(errors)) < 0.030
    wrong = [error - DOUBLED[anion] * share(crystal, anion) for error, crystal in zip(errors, crystals, strict=True)]
    assert abs(np.mean(wrong)) > 0.1, "the bound is blind to a doubled correction"
