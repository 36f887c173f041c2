import json
from collections import Counter

import numpy as np
import pytest
import torch
from tiny_dataset import MODEL, crystals, one_thread, schedule  # noqa: F401

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.statistics import dataset_statistics
from sunflow.generators.crysbfn import CrysBFN
from sunflow.generators.generator import build
from sunflow.generators.memory import Memory
from sunflow.stages.command import StageError
from sunflow.stages.sample import sample
from sunflow.training.accuracies import read_accuracies
from sunflow.training.checkpoint import save_weights

SETTINGS = {"num_crystals": 11, "batch_size": 4, "num_steps": 6, "sampler": "redraw", "seed": 5}
PREDICTION = {"num_compositions": None, "num_candidates": 2}
generate = CrysBFN.sample


class Killed(BaseException):
    """As sudden as kill -9."""


@pytest.fixture
def trained(tmp_path):
    def write(seed=0, task="generation"):
        torch.manual_seed(seed)
        statistics = dataset_statistics(crystals(10))
        files = schedule(tmp_path)
        generator = build("crysbfn", task, MODEL, statistics, read_accuracies(files))
        description = {"kind": "crysbfn", "task": task, "model": MODEL, "statistics": statistics}
        weights = tmp_path / "weights.safetensors"
        save_weights(weights, generator.state_dict(), tmp_path / "weights.json", description)
        return {"weights": weights, "accuracy_schedule": files}

    return write


def run_sample(trained, folder, task="generation", targets=(), **changes):
    output, time = folder / "samples.parquet", folder / "sampling_time.json"
    settings = {**SETTINGS, **changes}
    sample(settings, task, **trained, targets=list(targets), output=output, output_time=time)
    return output


def run_predict(trained, folder, targets, **changes):
    path = folder / "test.parquet"
    write_crystals(path, targets)
    return run_sample(trained, folder / "out", "structure_prediction", [path], **{**PREDICTION, **changes})


def test_every_requested_crystal_has_a_row(trained, tmp_path):
    output = run_sample(trained(), tmp_path / "out")
    made = read_crystals(output)
    assert [crystal.crystal_id for crystal in made] == [f"{index:06d}" for index in range(11)]
    assert {crystal.status for crystal in made} == {"ok"}
    for crystal in made:
        assert crystal.num_atoms in (1, 2, 3) and set(crystal.atomic_numbers) <= {8, 11, 12}
        assert (crystal.frac_coords >= 0).all() and (crystal.frac_coords < 1).all()
    taken = json.loads((output.parent / "sampling_time.json").read_text())
    assert taken["num_crystals"] == 11 and taken["network_seconds"] > 0
    assert read_metadata(output)["seed"] == 5
    assert not list(output.parent.glob("*journal*"))


def test_sizes_follow_the_train_split(trained, tmp_path):
    made = read_crystals(run_sample(trained(), tmp_path / "out", num_crystals=600, batch_size=600))
    counts = Counter(crystal.num_atoms for crystal in made)  # expected: 240, 180 and 180
    assert abs(counts[1] - 240) < 48 and abs(counts[2] - 180) < 45 and abs(counts[3] - 180) < 45  # four sigma


def test_a_crystal_does_not_depend_on_its_batch_or_on_how_many_there_are(trained, tmp_path):
    files = trained()
    some = read_crystals(run_sample(files, tmp_path / "a"))
    others = read_crystals(run_sample(files, tmp_path / "b", num_crystals=7, batch_size=3))
    for one, other in zip(some, others, strict=False):
        assert one.crystal_id == other.crystal_id
        np.testing.assert_array_equal(one.atomic_numbers, other.atomic_numbers)
        np.testing.assert_allclose(one.lattice, other.lattice, atol=1e-4)
        turn = one.frac_coords - other.frac_coords
        np.testing.assert_allclose(turn - np.round(turn), 0, atol=1e-4)
    assert len({crystal.lattice.tobytes() for crystal in some}) == 11


def test_the_seed_matters(trained, tmp_path):
    files = trained()
    first, second, third = (
        run_sample(files, tmp_path / name, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first.read_bytes() == second.read_bytes() != third.read_bytes()


def kill_in_batch(number, monkeypatch):
    calls = []

    def interrupted(self, *arguments):
        calls.append(arguments)
        if len(calls) == number:
            raise Killed
        return generate(self, *arguments)

    monkeypatch.setattr(CrysBFN, "sample", interrupted)
    return calls


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_killed_and_continued_it_writes_the_same_file(batch, trained, tmp_path, monkeypatch):
    files = trained()
    undisturbed = run_sample(files, tmp_path / "undisturbed").read_bytes()
    kill_in_batch(batch, monkeypatch)
    with pytest.raises(Killed):
        run_sample(files, tmp_path / "out")
    assert not (tmp_path / "out/samples.parquet").exists()
    calls = kill_in_batch(0, monkeypatch)
    assert run_sample(files, tmp_path / "out").read_bytes() == undisturbed
    assert len(calls) == 4 - batch


def test_seconds_before_a_kill_count(trained, tmp_path, monkeypatch):
    files = trained()
    kill_in_batch(2, monkeypatch)
    with pytest.raises(Killed):
        run_sample(files, tmp_path / "out")
    journal = tmp_path / "out/sampling_journal.jsonl"
    stamp, record = map(json.loads, journal.read_text().splitlines())
    journal.write_text("".join(json.dumps(line) + "\n" for line in (stamp, {**record, "network_seconds": 1000.0})))
    run_sample(files, tmp_path / "out")
    assert json.loads((tmp_path / "out/sampling_time.json").read_text())["network_seconds"] > 1000.0


def test_a_journal_of_other_weights_is_not_used(trained, tmp_path, monkeypatch):
    kill_in_batch(3, monkeypatch)
    with pytest.raises(Killed):
        run_sample(trained(), tmp_path / "out")
    calls = kill_in_batch(0, monkeypatch)
    run_sample(trained(seed=1), tmp_path / "out")
    assert len(calls) == 3


def test_numbers_that_are_not_finite_make_a_failed_row(trained, tmp_path, monkeypatch):
    def poisoned(self, condition, seeds, sampler):
        made = generate(self, condition, seeds, sampler)
        made.lattice[1, 2, 0] = torch.nan
        made.frac_coords[0, 0] = torch.inf
        return CrystalBatch(**vars(made))

    monkeypatch.setattr(CrysBFN, "sample", poisoned)
    made = read_crystals(run_sample(trained(), tmp_path / "out"))
    assert len(made) == 11
    reasons = {crystal.crystal_id: crystal.reason for crystal in made if crystal.status == "failed"}
    lattice, position = "the generated lattice is not finite", "the generated frac_coords is not finite"
    assert reasons == {f"{index:06d}": position if index % 4 == 0 else lattice for index in (0, 1, 4, 5, 8, 9)}


def test_fewer_steps_than_in_training(trained, tmp_path):
    files = trained()
    with pytest.raises(StageError, match=r"num_steps is 3, but the .*schedule has 6"):
        run_sample(files, tmp_path / "out", num_steps=3)
    shorter = {**files, "accuracy_schedule": schedule(tmp_path, 3)}
    assert len(read_crystals(run_sample(shorter, tmp_path / "out", num_steps=3))) == 11


def test_predictions_have_the_compositions_and_names_of_their_targets(trained, tmp_path):
    targets = [*crystals(5, first=20), Crystal.failure("lost", "no atoms")]
    made = read_crystals(run_predict(trained(task="structure_prediction"), tmp_path, targets))
    wanted = [(f"c{index}", candidate) for index in range(20, 25) for candidate in (0, 1)]
    assert [(crystal.properties["target_id"], crystal.properties["candidate"]) for crystal in made] == wanted
    assert [crystal.crystal_id for crystal in made] == [f"{target}_{candidate}" for target, candidate in wanted]
    atoms = {target.crystal_id: target.atomic_numbers.tolist() for target in targets}
    assert all(crystal.atomic_numbers.tolist() == atoms[crystal.properties["target_id"]] for crystal in made)
    assert len({crystal.lattice.tobytes() for crystal in made}) == 10


def test_a_prediction_depends_on_its_target_and_not_on_the_others(trained, tmp_path):
    files = trained(task="structure_prediction")
    all_of_them = {crystal.crystal_id: crystal for crystal in read_crystals(run_predict(files, tmp_path, crystals(5)))}
    alone = read_crystals(run_predict(files, tmp_path / "alone", crystals(5)[3:4]))
    for crystal in alone:
        np.testing.assert_allclose(crystal.lattice, all_of_them[crystal.crystal_id].lattice, atol=1e-4)


def test_some_compositions_are_drawn_and_more_hold_the_fewer(trained, tmp_path):
    files = trained(task="structure_prediction")
    few, more = (
        {
            crystal.properties["target_id"]
            for crystal in read_crystals(
                run_predict(files, tmp_path / str(count), crystals(9), **{"num_compositions": count})
            )
        }
        for count in (2, 5)
    )
    assert len(few) == 2 and len(more) == 5 and few < more


def test_a_composition_with_an_unknown_element_fails_and_the_others_do_not(trained, tmp_path):
    targets = [*crystals(2), *crystals(2, elements=(79,), first=7)]
    made = read_crystals(run_predict(trained(task="structure_prediction"), tmp_path, targets))
    assert [crystal.status for crystal in made] == ["ok"] * 4 + ["failed"] * 4
    assert {crystal.reason for crystal in made[4:]} == {"the train split has no Au"}
    assert made[-1].properties == {"target_id": "c8", "candidate": 1}


def test_only_the_elements_asked_for(trained, tmp_path):
    made = read_crystals(run_sample(trained(), tmp_path / "out", elements=["Mg", "O"]))
    assert {8, 12} == {z for crystal in made for z in crystal.atomic_numbers.tolist()}
    with pytest.raises(StageError, match=r"no atoms of atomic numbers \[79\]"):
        run_sample(trained(), tmp_path / "gold", elements=["Au"])


def test_every_crystal_of_a_chemical_system_holds_all_its_elements(trained, tmp_path):
    made = read_crystals(run_sample(trained(), tmp_path / "out", chemical_system=["Mg", "O"]))
    assert {tuple(sorted(set(crystal.atomic_numbers.tolist()))) for crystal in made} == {(8, 12)}
    with pytest.raises(StageError, match="no crystal of 4 atoms or more"):
        run_sample(trained(), tmp_path / "four", chemical_system=["Mg", "O", "Na", "H"])


def test_a_crystal_that_never_holds_all_elements_fails(trained, tmp_path, monkeypatch):
    def without_oxygen(self, condition, seeds, sampler):
        made = generate(self, condition, seeds, sampler)
        return CrystalBatch(made.lattice, made.frac_coords, torch.full_like(made.atomic_numbers, 12), made.num_atoms)

    monkeypatch.setattr(CrysBFN, "sample", without_oxygen)
    made = read_crystals(run_sample(trained(), tmp_path / "out", chemical_system=["Mg", "O"]))
    assert len(made) == 11 and {crystal.reason for crystal in made} == {"lacks O in each of 20 tries"}


def test_weights_of_another_task(trained, tmp_path):
    with pytest.raises(StageError, match="was trained for generation, not for structure_prediction"):
        run_predict(trained(), tmp_path, crystals(1))
    with pytest.raises(StageError, match="needs a test split with crystals"):
        run_predict(trained(task="structure_prediction"), tmp_path, [Crystal.failure("lost", "no atoms")])


def test_a_task_that_is_unknown(trained, tmp_path):
    with pytest.raises(StageError, match="task 'reconstruction' is unknown"):
        run_sample(trained(), tmp_path / "out", task="reconstruction")


def test_weights_that_cannot_be_used(trained, tmp_path):
    files = trained()
    files["weights"].write_bytes(files["weights"].read_bytes()[:100])
    with pytest.raises(StageError, match=r"weights\.safetensors is not the file that weights\.json describes"):
        run_sample(files, tmp_path / "out")
    files["weights"].with_suffix(".json").unlink()
    with pytest.raises(StageError, match=r"weights\.json is missing"):
        run_sample(files, tmp_path / "out")


@pytest.fixture
def control(tmp_path):
    def write(kind, task="generation"):
        statistics = dataset_statistics(oxides(12))
        generator = build(kind, task, {}, statistics, None)
        generator.remember(CrystalBatch.from_crystals(oxides(12)))
        description = {"kind": kind, "task": task, "model": {}, "statistics": statistics}
        weights = tmp_path / f"{kind}.safetensors"
        save_weights(weights, generator.state_dict(), tmp_path / f"{kind}.json", description)
        return {"weights": weights, "accuracy_schedule": []}

    return write


def oxides(num):
    """Cells of one metal and of as many oxygens and metals."""
    made = crystals(num)
    metals = [(12, 20, 28, 30)[index % 4] for index in range(num)]
    atoms = [[metal, 8] * (index % 3) or [metal] for index, metal in enumerate(metals)]
    places = np.random.default_rng(0)
    return [
        Crystal(crystal.crystal_id, crystal.lattice, places.random((len(each), 3)), np.array(each))
        for crystal, each in zip(made, atoms, strict=True)
    ]


@pytest.mark.parametrize("kind", ["substitution", "random"])
def test_a_control_is_killed_continued_and_sampled_in_any_batch_like_others(kind, control, tmp_path, monkeypatch):
    files, steps = control(kind), {"num_steps": None}
    undisturbed = run_sample(files, tmp_path / "undisturbed", **steps).read_bytes()
    one_batch = read_crystals(run_sample(files, tmp_path / "batch", batch_size=11, **steps))
    made, original = [], Memory.sample

    def interrupted(self, *arguments):
        made.append(arguments)
        if len(made) == 2:
            raise Killed
        return original(self, *arguments)

    monkeypatch.setattr(Memory, "sample", interrupted)
    with pytest.raises(Killed):
        run_sample(files, tmp_path / "out", **steps)
    output = run_sample(files, tmp_path / "out", **steps)
    assert output.read_bytes() == undisturbed and len(made) == 4
    for crystal, other in zip(read_crystals(output), one_batch, strict=True):
        assert (crystal.crystal_id, crystal.status, crystal.reason) == (other.crystal_id, other.status, other.reason)
        for name in ("lattice", "frac_coords", "atomic_numbers"):
            np.testing.assert_array_equal(getattr(crystal, name), getattr(other, name))


def test_why_a_control_could_not_make_a_crystal_stands_in_its_row(control, tmp_path):
    made = read_crystals(run_sample(control("substitution"), tmp_path / "out", num_steps=None))
    failed = [crystal for crystal in made if crystal.status == "failed"]
    told = "no ion exchange in 4 train crystals of 1 atoms: 4 of no known ions"
    assert len(made) == 11 and 0 < len(failed) < 11 and {crystal.reason for crystal in failed} == {told}
    sizes = {crystal.num_atoms for crystal in made if crystal.status == "ok"}
    assert sizes == {2, 4}


def test_a_control_predicts_structures_and_knows_the_elements_of_the_train_split(control, tmp_path):
    targets = [*oxides(3), *crystals(1, elements=(79,), first=7)]
    made = read_crystals(run_predict(control("random", "structure_prediction"), tmp_path, targets, num_steps=None))
    assert [crystal.status for crystal in made] == ["ok"] * 6 + ["failed"] * 2
    for crystal, target in zip(made, [target for target in targets for _ in (0, 1)], strict=True):
        assert crystal.properties["target_id"] == target.crystal_id
        assert crystal.status == "failed" or crystal.atomic_numbers.tolist() == target.atomic_numbers.tolist()
    assert made[-1].reason == "the train split has no Au"


def test_steps_of_a_control_are_refused(control, tmp_path):
    with pytest.raises(StageError, match=r"model\.num_steps is no hyper-parameter of random, which has none"):
        run_sample(control("random"), tmp_path / "out")
