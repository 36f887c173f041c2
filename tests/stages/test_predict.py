import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_dataset import MODEL, crystals, one_thread, schedule  # noqa: F401

from sunflow.__main__ import main
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.statistics import dataset_statistics
from sunflow.generators.generator import build
from sunflow.stages.command import StageError
from sunflow.stages.compositions import candidates_of, read_formulas, read_range
from sunflow.stages.predict import ranked, summary
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import save_weights

COPPER, OXYGEN = 29, 8


@pytest.fixture
def weights(tmp_path):
    def write(task="structure_prediction"):
        torch.manual_seed(0)
        statistics = dataset_statistics(crystals(10, elements=(OXYGEN, COPPER)))
        model = {**MODEL, "schedule": "universal"}
        generator = build("crysbfn", task, model, statistics, read_accuracies(schedule(tmp_path)))
        description = {"kind": "crysbfn", "task": task, "model": {**model, "final_accuracy": 1000.0}}
        path = tmp_path / "weights.safetensors"
        save_weights(path, generator.state_dict(), path.with_suffix(".json"), {**description, "statistics": statistics})
        return path

    return write


def predict(weights, output, *options):
    main(["predict", *options, "--weights", str(weights), "--output", str(output), "--candidates", "3"])
    return pd.read_csv(output / "ranking.csv", keep_default_na=False)


def test_every_candidate_of_every_number_of_formula_units_has_a_row(weights, tmp_path):
    ranking = predict(weights(), tmp_path / "out", "CuO2", "Cu", "--formula-units", "1-2")
    assert ranking["crystal_id"].tolist() == [
        f"{formula}_x{units}_{candidate}" for formula in ("Cu", "CuO2") for units in (1, 2) for candidate in range(3)
    ]
    assert ranking["num_atoms"].tolist() == [1] * 3 + [2] * 3 + [3] * 3 + [6] * 3
    made = {crystal.crystal_id: crystal for crystal in read_crystals(tmp_path / "out/predictions.parquet")}
    assert made["CuO2_x2_1"].atomic_numbers.tolist() == [OXYGEN] * 4 + [COPPER] * 2
    with zipfile.ZipFile(tmp_path / "out/structures.zip") as archive:
        assert set(archive.namelist()) == {f"{name}.cif" for name in made}
    assert set(ranking["rank"]) == {""}


def test_a_composition_does_not_depend_on_the_others(weights, tmp_path):
    path = weights()
    predict(path, tmp_path / "alone", "CuO2", "--formula-units", "2")
    predict(path, tmp_path / "both", "Cu", "CuO2", "--formula-units", "1-2")
    alone, both = (
        {crystal.crystal_id: crystal for crystal in read_crystals(tmp_path / name / "predictions.parquet")}
        for name in ("alone", "both")
    )
    for name, crystal in alone.items():
        assert abs(crystal.lattice - both[name].lattice).max() < 1e-4


def test_relaxed_candidates_are_ranked_by_energy(weights, tmp_path, capsys):
    potential = ("--relax", "--potential", "ase.calculators.emt.EMT", "--max-force", "0.5", "--threads", "1")
    ranking = predict(weights(), tmp_path / "out", "Cu", "--formula-units", "1-2", *potential)
    assert len(ranking) == 6 and (tmp_path / "out/relaxed.parquet").exists()
    assert "of 6 predictions ok" in capsys.readouterr().out


def relaxed(name, energy, status="ok", shape=(3.0, 3.0, 3.0)):
    reason = "" if status == "ok" else "overlap: two atoms"
    crystal = Crystal(name, np.diag(shape), np.zeros((1, 3)), np.array([COPPER]), status, reason)
    return crystal.with_properties(target_id=name.rpartition("_")[0], energy_per_atom=energy)


def test_the_ranking():
    given = [
        relaxed("Cu_x1_0", -3.0),
        relaxed("Cu_x2_0", -3.5, shape=(2.0, 2.0, 4.0)),
        relaxed("Cu_x2_1", None, "failed"),
        relaxed("Cu_x2_2", -2.9, shape=(2.0, 3.0, 4.0)),
        relaxed("O_x1_0", -1.0),
    ]
    table = ranked(given)
    assert table["crystal_id"].tolist() == ["Cu_x2_0", "Cu_x1_0", "Cu_x2_2", "Cu_x2_1", "O_x1_0"]
    assert table["rank"].astype(object).where(table["rank"].notna(), None).tolist() == [1, 2, 3, None, 1]
    assert table["energy_above_best"].tolist()[:3] == pytest.approx([0, 0.5, 0.6])
    assert table["space_group"].tolist()[:3] == [123, 221, 47]
    assert summary(table).endswith("4 of 5 predictions ok\n  1 of Cu: overlap")


def test_copies_are_named():
    table = ranked([relaxed("Cu_x1_0", -3.0), relaxed("Cu_x1_1", -3.1)])
    assert dict(zip(table["crystal_id"], table["same_as"], strict=True)) == {"Cu_x1_0": "Cu_x1_1", "Cu_x1_1": ""}


def test_unknown_elements_are_failures_with_a_reason(weights, tmp_path, capsys):
    ranking = predict(weights(), tmp_path / "out", "AuO", "--formula-units", "1")
    assert set(ranking["status"]) == {"failed"} and set(ranking["reason"]) == {"the train split has no Au"}
    assert "0 of 3 predictions ok\n  3 of AuO: the train split has no Au" in capsys.readouterr().out


@pytest.mark.parametrize("formula", ["", "Cu O2 x", "Xx2", "Cu0.5O", "123", "Cu-1"])
def test_what_is_no_formula(formula):
    with pytest.raises(StageError, match="is no formula"):
        list(candidates_of(formula, [1], 1))


def test_formulas_are_reduced():
    assert [request.crystal_id for request in candidates_of("Cu2O4", [1], 2)] == ["CuO2_x1_0", "CuO2_x1_1"]


def test_ranges():
    assert read_range("3") == [3] and read_range("2-4") == [2, 3, 4]
    for wrong in ("0", "4-2", "a", "1-", "-1", ""):
        with pytest.raises(ValueError, match="neither a number such as 2 nor a range"):
            read_range(wrong)


def test_formulas_from_a_file(tmp_path):
    (tmp_path / "some.csv").write_text("formula,note\nNaN,sodium nitride\nCuO,\n")
    assert read_formulas(["Cu", str(tmp_path / "some.csv"), "Cu"]) == ["Cu", "NaN", "CuO"]
    (tmp_path / "other.csv").write_text("composition\nCuO\n")
    with pytest.raises(StageError, match=r"other\.csv has no column formula, but composition"):
        read_formulas([str(tmp_path / "other.csv")])
    with pytest.raises(StageError, match=r"none\.csv cannot be read"):
        read_formulas([str(tmp_path / "none.csv")])


def test_mistakes_end_with_a_sentence(weights, tmp_path):
    path = weights("generation")
    with pytest.raises(SystemExit, match=r"predict failed: .* trained for generation, not for structure_prediction"):
        predict(path, tmp_path / "out", "CuO")
    path.with_suffix(".json").write_text(json.dumps({"kind": "crysbfn"}))
    with pytest.raises(SystemExit, match="has no 'task'"):
        predict(path, tmp_path / "out", "CuO")
