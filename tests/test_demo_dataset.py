"""The embedded dataset is what its description says."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

from sunflow.config import load
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import composition, reduced_formula
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import Relaxer
from sunflow.relaxation.screening import why_not

PROJECT = Path(__file__).parents[1]
DEMO = PROJECT / "src/sunflow/crystals/demo/demo.parquet"
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


def test_energies_are_reproduced_at_minima_for_the_relaxer_of_the_samples(crystals, potential):
    """In the hull that the samples are judged by, these energies stand beside the samples' own."""
    settings = load(yaml.safe_load((PROJECT / "config.yaml").read_text())).relaxer("demo", "chgnet")
    some = crystals[3::20]
    given = [replace(crystal, properties={}) for crystal in some]
    relaxer = Relaxer(potential, Limits(max_force=settings["max_force"], max_steps=0), torch.device("cpu"))
    energies = {crystal.crystal_id: crystal.properties["energy_per_atom"] for crystal in some}
    for fresh in relaxer.relax(given):
        assert (fresh.status, fresh.reason) == ("ok", "")
        assert fresh.properties["energy_per_atom"] == pytest.approx(energies.pop(fresh.crystal_id), abs=5e-5)
    assert not energies


@pytest.fixture
def tool():
    specification = spec_from_file_location("make_demo_dataset", PROJECT / "tools/make_demo_dataset.py")
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_tool_makes_a_dataset_like_it(tool, tmp_path, monkeypatch):
    elements = [
        crystal.with_properties(prototype="element") for symbol in ("Na", "F") for crystal in elemental_crystals(symbol)
    ]
    rock_salt = tool.fill("rock salt", "AB_cF8_225_a_b-NaCl", ("F", "Na"))
    monkeypatch.setattr(tool, "candidates", lambda: [*elements, rock_salt])
    tool.main(tmp_path, tmp_path / "demo.parquet", 1)
    made = read_crystals(tmp_path / "demo.parquet")
    assert read_metadata(tmp_path / "demo.parquet") == read_metadata(DEMO)
    assert set(made[0].properties) == set(read_crystals(DEMO)[0].properties)
    assert {system(crystal) for crystal in made} == {frozenset({"Na"}), frozenset({"F"}), frozenset({"Na", "F"})}
    assert made[-1].properties["energy_above_hull"] == 0 > -2 > made[-1].properties["formation_energy_per_atom"]
