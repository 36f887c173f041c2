"""What another potential says of the S.U.N. crystals."""

import numpy as np
import pandas as pd
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.evaluation.hull import Hull, entries_table
from sunflow.stages.command import StageError
from sunflow.stages.relax import named_potential, signature, taken_apart
from sunflow.stages.second_opinion import second_opinion

EMT = {"potential": "ase.calculators.emt.EMT", "max_force": 0.02, "max_steps": 200}
FACES = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
"""Face-centred cubic; EMT's energies are about zero at its minimum for copper."""


def alloy(name, numbers, edge=3.7):
    return Crystal(name, edge * np.eye(3), FACES, np.array(numbers), properties={"energy_per_atom": -99.0})


@pytest.fixture
def folder(tmp_path):
    crystals = [
        alloy("AgAu", (47, 47, 79, 79)),
        alloy("Cu3Au", (29, 29, 29, 79)),
        alloy("W", (74,) * 4),
        alloy("Cu", (29,) * 4),
    ]
    write_crystals(tmp_path / "relaxed.parquet", crystals)
    table = {"crystal_id": [c.crystal_id for c in crystals], "energy_above_hull": -0.01, "sun": [True, True, True, ""]}
    pd.DataFrame(table).to_csv(tmp_path / "sun_crystals.csv", index=False)
    metadata = signature(named_potential(taken_apart(EMT)[0]))
    entries = entries_table(
        [("1", "Cu", 0.0, ""), ("2", "Au", 0.0, ""), ("3", "Ag", 0.0, ""), ("4", "Cu3Au", -5.0, "")]
    )
    Hull(entries, {"Cu": 0.5, "Ag": 0.5, "Au": 0.5, "W": 0.0}, metadata | {"hull": "self_consistent"}).write(
        tmp_path / "hull.parquet"
    )
    return tmp_path


def opinions(folder, **asked):
    paths = (folder / name for name in ("relaxed.parquet", "sun_crystals.csv", "hull.parquet"))
    second_opinion(EMT | {"stable": 0.0} | asked, *paths, threads=1, output=folder / "second_opinion.csv")
    return pd.read_csv(folder / "second_opinion.csv", keep_default_na=False).set_index("crystal_id")


def test_only_the_chosen_crystals_are_asked_about(folder):
    table = opinions(folder)
    assert table.index.tolist() == ["AgAu", "Cu3Au", "W"]
    assert (table["energy_above_hull"] == -0.01).all()


def test_it_agrees_disagrees_or_has_no_say(folder):
    table = opinions(folder)
    assert table["agrees"].tolist() == ["True", "False", ""]
    assert float(table["second_energy_above_hull"]["Cu3Au"]) > 4
    assert table["status"].tolist() == ["ok", "ok", "failed"]
    assert "W" in table["reason"]["W"] or "Not" in table["reason"]["W"]


def test_it_can_be_asked_about_metastable_crystals(folder):
    """Between elements at zero, the formation energy is the distance to the hull."""
    table = pd.read_csv(folder / "sun_crystals.csv").assign(sun=False, metastable=[True, False, False, ""])
    table.to_csv(folder / "sun_crystals.csv", index=False)
    (row,) = opinions(folder, asked_about="metastable").reset_index().to_dict("records")
    assert row["crystal_id"] == "AgAu"
    assert row["second_formation_energy_per_atom"] == pytest.approx(row["second_energy_above_hull"], abs=1e-4)


def test_where_nothing_was_found_there_is_nothing_to_say(folder):
    table = pd.read_csv(folder / "sun_crystals.csv").assign(sun=False)
    table.to_csv(folder / "sun_crystals.csv", index=False)
    assert opinions(folder).empty


def test_a_hull_of_another_potential_is_refused(folder):
    hull = Hull.read(folder / "hull.parquet")
    hull.metadata["weights_hash"] = "0" * 64
    hull.write(folder / "hull.parquet")
    with pytest.raises(StageError, match="build the hull anew"):
        opinions(folder)
