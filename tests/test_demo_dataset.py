"""The embedded dataset is what its description says."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import composition, reduced_formula
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import single_point
from sunflow.relaxation.screening import why_not

DEMO = Path(__file__).parents[1] / "src/sunflow/crystals/demo/demo.parquet"
ELEMENTS = {"Li", "Na", "Mg", "Ca", "Al", "Si", "Ti", "O", "F", "S"}


@pytest.fixture(scope="module")
def crystals():
    return read_crystals(DEMO)


@pytest.fixture(scope="module")
def potential():
    torch.set_num_threads(1)
    return load_potential("chgnet")


def system(crystal):
    return frozenset(element.symbol for element in composition(crystal))


def test_the_file_is_small_and_honest(crystals, potential):
    assert DEMO.stat().st_size <= 1.5e6
    assert 600 <= len(crystals) <= 1000
    metadata = read_metadata(DEMO)
    assert (metadata["potential"], metadata["weights_hash"]) == (potential.name, potential.weights_hash)
    assert "not a benchmark" in metadata["description"]


def test_every_crystal_is_sound(crystals):
    assert [crystal.crystal_id for crystal in crystals] == [f"demo-{n:04d}" for n in range(1, len(crystals) + 1)]
    for crystal in crystals:
        assert (crystal.status, crystal.reason) == ("ok", "")
        assert 1 <= crystal.num_atoms <= 10
        assert why_not(crystal, frozenset(range(1, 95))) == ""
        assert ((crystal.frac_coords >= 0) & (crystal.frac_coords < 1)).all()


def test_every_binary_and_ternary_system_is_populated(crystals):
    populated = {system(crystal) for crystal in crystals}
    assert frozenset.union(*populated) == ELEMENTS
    for size, number in ((1, 10), (2, 45), (3, 120)):
        wanted = {frozenset(choice) for choice in combinations(ELEMENTS, size)}
        assert len(wanted) == number
        assert wanted <= populated


def test_splits_share_no_composition_and_the_elements_train(crystals):
    formulas = {split: set() for split in ("train", "val", "test")}
    counts = dict.fromkeys(formulas, 0)
    for crystal in crystals:
        split = crystal.properties["split"]
        formulas[split].add(reduced_formula(crystal))
        counts[split] += 1
        assert split == "train" or len(system(crystal)) > 1
    assert not formulas["train"] & formulas["val"]
    assert not (formulas["train"] | formulas["val"]) & formulas["test"]
    assert counts["train"] / len(crystals) == pytest.approx(0.8, abs=0.02)
    assert counts["val"] / len(crystals) == pytest.approx(counts["test"] / len(crystals), abs=0.02)


def test_energies_above_hull_are_those_of_the_set(crystals):
    entries = [
        PDEntry(composition(crystal), crystal.properties["energy_per_atom"] * crystal.num_atoms) for crystal in crystals
    ]
    diagram = PhaseDiagram(entries)
    for crystal, entry in zip(crystals, entries, strict=True):
        formation_energy, above_hull = diagram.get_form_energy_per_atom(entry), diagram.get_e_above_hull(entry)
        assert crystal.properties["formation_energy_per_atom"] == pytest.approx(formation_energy, abs=1e-9)
        assert crystal.properties["energy_above_hull"] == pytest.approx(above_hull, abs=1e-9)


def test_energies_above_hull_are_spread_naturally(crystals):
    above_hull = np.array([crystal.properties["energy_above_hull"] for crystal in crystals])
    assert above_hull.min() == 0
    assert 0.1 < np.mean(above_hull < 1e-4) < 0.2
    assert 0.5 < np.mean(above_hull < 0.1) < 0.8
    assert np.mean(above_hull > 0.2) < 0.05


def test_crystals_are_minima_of_the_potential(crystals, potential):
    for crystal in (crystals[3], crystals[len(crystals) // 2], crystals[-7]):
        fresh = single_point(crystal, potential)
        assert fresh.properties["max_force"] < 0.05
        assert fresh.properties["energy_per_atom"] == pytest.approx(crystal.properties["energy_per_atom"], abs=1e-4)


def test_energies_are_reproduced(crystals, potential):
    for crystal in crystals[::25]:
        fresh = single_point(crystal, potential)
        assert fresh.properties["energy_per_atom"] == pytest.approx(crystal.properties["energy_per_atom"], abs=1e-4)
        assert fresh.properties["max_force"] < 0.021
