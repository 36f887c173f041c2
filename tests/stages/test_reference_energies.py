from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.evaluation.hull_sources import self_consistent
from sunflow.journal import Journal
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import Relaxer
from sunflow.stages import reference_energies as reference_module
from sunflow.stages.reference_energies import reference_energies

DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"
LIMITS = {"max_force": 0.02, "max_steps": 100, "timeout": 600.0, "optimizer": "lbfgs", "overlaps": "fail"}
CHGNET = {"potential": "chgnet", "arguments": {}, **LIMITS}
EMT = {**CHGNET, "potential": "ase.calculators.emt.EMT"}
COLUMNS = ["entry_id", "formula", "energy_per_atom", "source", "status", "reason"]
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
ALUMINIUM, COPPER, URANIUM, AMERICIUM = 13, 29, 92, 95


def alloy(crystal_id="alloy", kinds=(COPPER, COPPER, COPPER, ALUMINIUM), edge=3.9):
    """With an energy in its file that is not of the potential's."""
    return Crystal(crystal_id, edge * np.eye(3), FCC, np.array(kinds), properties={"energy_per_atom": -99.0})


def signed(potential, max_force):
    """What a file says whose energies are this potential's."""
    return {"weights_hash": load_potential(potential).weights_hash, "max_force": max_force}


def table_of(settings, folder, crystals, metadata=None):
    write_crystals(folder / "train.parquet", crystals, metadata)
    reference_energies(settings, [folder / "train.parquet"], 1, folder / "energies.parquet")
    return pd.read_parquet(folder / "energies.parquet").set_index("entry_id")


def pretend(monkeypatch, relaxed):
    """Let relaxation be what `relaxed` makes of each crystal; returns the calls that the stage makes."""
    calls = []

    def relax_all(crystals, load, limits, journal, num_processes):
        calls.append((list(crystals), limits))
        return [relaxed(crystal) for crystal in crystals]

    monkeypatch.setattr(reference_module, "relax_all", relax_all)
    return calls


def test_shipped_energies_of_these_weights_are_taken_and_nothing_is_computed(tmp_path, monkeypatch):
    calls = pretend(monkeypatch, pytest.fail)
    demo, paths = read_crystals(DEMO), []
    for split in ("train", "val", "test"):
        paths.append(tmp_path / f"{split}.parquet")
        crystals = [crystal for crystal in demo if crystal.properties["split"] == split]
        write_crystals(paths[-1], crystals, read_metadata(DEMO))
    reference_energies(CHGNET, paths, 2, tmp_path / "energies.parquet")
    table = pd.read_parquet(tmp_path / "energies.parquet")
    assert [crystals for crystals, _ in calls] == [[]]
    assert table.columns.tolist() == COLUMNS
    assert set(table["source"]) == {"shipped"}
    assert sorted(table["energy_per_atom"]) == sorted(crystal.properties["energy_per_atom"] for crystal in demo)
    assert table["entry_id"].is_unique
    weights_hash = load_potential("chgnet").weights_hash
    expected = {"potential": "chgnet-0.3.0", "weights_hash": weights_hash, "energy_scale": "MP2020"}
    assert read_metadata(tmp_path / "energies.parquet") == expected


@pytest.mark.parametrize("metadata", [{}, {"weights_hash": "another's", "max_force": 0.05}, signed("chgnet", 0.02)])
def test_energies_of_other_weights_or_forces_are_not_believed(tmp_path, monkeypatch, metadata):
    calls = pretend(monkeypatch, lambda crystal: crystal.with_properties(energy_per_atom=-3.0))
    table = table_of(CHGNET | {"max_force": 0.05}, tmp_path, [alloy()], metadata)
    ((relaxed, limits),) = calls
    assert limits == Limits(**LIMITS | {"max_force": 0.05})
    assert [crystal.crystal_id for crystal in relaxed][:2] == ["train/alloy", "element/Al-A_cF4_225_a-Cu"]
    assert table["source"].to_dict()["train/alloy"] == "relaxed"
    assert set(table["energy_per_atom"]) == {-3.0}


def test_some_energies_may_be_shipped_and_others_not(tmp_path, monkeypatch):
    calls = pretend(monkeypatch, lambda crystal: crystal.with_properties(energy_per_atom=-3.0))
    copper = alloy("copper", [COPPER] * 4)
    given = [copper, replace(alloy(), properties={})]
    table = table_of(EMT, tmp_path, given, signed(EMT["potential"], 0.02))
    assert table["source"].to_dict() == {
        "train/copper": "shipped",
        "train/alloy": "relaxed",
        "element/Al-A_cF4_225_a-Cu": "element",
    }
    assert not any("element/Cu" in crystal.crystal_id for crystal in calls[0][0]), "copper ships its energy"


def test_crystals_and_elements_are_relaxed(tmp_path):
    table = table_of(EMT, tmp_path, [alloy(), alloy("bad", edge=0.7)])
    relaxer = Relaxer(load_potential(EMT["potential"]), Limits(**LIMITS))
    (expected,) = relaxer.relax([alloy()])
    row = table.loc["train/alloy"]
    assert (row["formula"], row["source"], row["status"], row["reason"]) == ("AlCu3", "relaxed", "ok", "")
    assert row["energy_per_atom"] == pytest.approx(expected.properties["energy_per_atom"], abs=1e-6)
    assert expected.properties["energy_per_atom"] < expected.properties["initial_energy_per_atom"] - 0.01
    assert table.loc["train/bad", "status"] == "failed"
    assert table.loc["train/bad", "reason"].startswith("absurd cell")
    elements = table[table["source"] == "element"].set_index("formula")["energy_per_atom"]
    assert set(elements.index) == {"Al", "Cu"}
    for symbol in ("Al", "Cu"):
        candidates = [crystal.properties["energy_per_atom"] for crystal in relaxer.relax(elemental_crystals(symbol))]
        assert elements[symbol] == pytest.approx(min(candidates), abs=1e-6)
        assert max(candidates) > min(candidates) + 1e-3


def test_relaxed_energies_of_the_demo_are_the_shipped_ones(tmp_path):
    demo = read_crystals(DEMO)
    binary = next(crystal for crystal in demo if set(crystal.atomic_numbers.tolist()) == {12, 14})
    table = table_of(CHGNET, tmp_path, [replace(binary, properties={})])
    energy = table.loc[f"train/{binary.crystal_id}", "energy_per_atom"]
    assert energy == pytest.approx(binary.properties["energy_per_atom"], abs=1e-4)
    elements = table[table["source"] == "element"].set_index("formula")["energy_per_atom"]
    for symbol, number in (("Mg", 12), ("Si", 14)):
        lowest = min(c.properties["energy_per_atom"] for c in demo if set(c.atomic_numbers.tolist()) == {number})
        assert elements[symbol] == pytest.approx(lowest, abs=2e-3)


def test_elements_without_an_energy_are_warned_of(tmp_path, monkeypatch, caplog):
    pretend(monkeypatch, lambda crystal: crystal.failed("by decree"))
    table = table_of(CHGNET, tmp_path, [alloy(kinds=[COPPER, COPPER, COPPER, AMERICIUM])])
    assert "no energy of element Am: chgnet-0.3.0 does not know it" in caplog.text
    assert "no energy of element Cu: by decree" in caplog.text
    assert table["reason"].to_dict() == {"train/alloy": "by decree"}


def test_an_element_whose_lowest_candidate_still_moved_is_not_lost(tmp_path, monkeypatch):
    def relaxed(crystal):
        if crystal.crystal_id == "element/Cu-A_cI2_229_a-W":
            crystal = replace(crystal, status="not_converged", reason="step limit")
            return crystal.with_properties(energy_per_atom=-3.1)
        return crystal.with_properties(energy_per_atom=-3.0)

    pretend(monkeypatch, relaxed)
    table = table_of(EMT, tmp_path, [alloy()])
    assert table["reason"].str.contains("step limit").sum() == 1
    assert self_consistent([], [tmp_path / "energies.parquet"]).element_energies == {"Al": -3.0, "Cu": -3.1}


def test_a_crystal_that_failed_has_no_energy(tmp_path, monkeypatch):
    pretend(monkeypatch, lambda crystal: crystal.failed("by decree"))
    table = table_of(EMT, tmp_path, [alloy()])
    assert table["energy_per_atom"].isna().all()


def test_names_of_two_splits_may_collide(tmp_path, monkeypatch):
    pretend(monkeypatch, pytest.fail)
    paths = [tmp_path / f"{name}.parquet" for name in ("train", "val")]
    elements = [crystal for crystal in read_crystals(DEMO) if len(set(crystal.atomic_numbers.tolist())) == 1]
    for path in paths:
        write_crystals(path, elements, read_metadata(DEMO))
    reference_energies(CHGNET, paths, 1, tmp_path / "energies.parquet")
    ids = pd.read_parquet(tmp_path / "energies.parquet")["entry_id"]
    assert len(set(ids)) == len(ids) == 2 * len(elements)


@pytest.mark.parametrize(("change", "kept"), [("nothing", 1), ("settings", 0), ("crystals", 0), ("code", 0)])
def test_a_journal_belongs_to_one_piece_of_work(tmp_path, monkeypatch, change, kept):
    found = []

    def interrupted(crystals, load, limits, journal: Journal, num_processes):
        found.append(len(journal.records))
        journal.append({"crystals": []})
        raise KeyboardInterrupt

    def begin(settings, edge):
        with pytest.raises(KeyboardInterrupt):
            table_of(settings, tmp_path, [alloy(edge=edge)])

    monkeypatch.setattr(reference_module, "relax_all", interrupted)
    begin(EMT, 3.9)
    if change == "code":
        monkeypatch.setattr(reference_module, "code_fingerprint", lambda *modules: "other code")
    begin(EMT | ({"max_force": 0.05} if change == "settings" else {}), 3.8 if change == "crystals" else 3.9)
    assert found == [0, kept]
