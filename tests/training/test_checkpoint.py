import json

import pytest
import torch
from tiny_generator import TinyGenerator

from sunflow.training import checkpoint
from sunflow.training.checkpoint import WeightsError, archive_weights, load_generator, read_description, save_weights

STATISTICS = {"num_atoms": {"2": 1}}
MODEL = {"num_steps": 10, "width": 8}
DESCRIPTION = {"kind": "tiny", "task": "generation", "model": MODEL, "statistics": STATISTICS}


@pytest.fixture
def built(monkeypatch):
    calls = []

    def build(kind, task, model, statistics, accuracy_schedule):
        calls.append((kind, task, model, statistics, accuracy_schedule))
        return TinyGenerator()

    monkeypatch.setattr(checkpoint, "build", build)
    return calls


@pytest.fixture
def saved(tmp_path):
    tensors = {name: torch.rand_like(tensor.float()) for name, tensor in TinyGenerator().state_dict().items()}
    tensors["counter"] = torch.tensor(7)
    save_weights(tmp_path / "weights.safetensors", tensors, tmp_path / "weights.json", DESCRIPTION)
    return tmp_path / "weights.safetensors", tensors


def test_round_trip(saved, built):
    weights, tensors = saved
    generator = load_generator(weights, torch.ones(3), num_steps=3)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in generator.state_dict().items())
    assert not generator.training
    *names, model, statistics, schedule = built[0]
    assert (names, model, statistics) == (["tiny", "generation"], {"num_steps": 3, "width": 8}, STATISTICS)
    assert torch.equal(schedule, torch.ones(3))


def test_the_same_weights_have_the_same_bytes(saved, tmp_path):
    weights, tensors = saved
    backwards = dict(reversed(tensors.items()))
    save_weights(tmp_path / "again.safetensors", backwards, tmp_path / "again.json", DESCRIPTION)
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()
    assert read_description(weights)["weights_hash"] == read_description(tmp_path / "again.safetensors")["weights_hash"]


def test_truncated_weights(saved, built):
    weights, _ = saved
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(
        WeightsError, match=r"weights\.safetensors is not the file that weights\.json describes .*cut short"
    ):
        load_generator(weights, None)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_a_file_is_missing(saved, built, name):
    weights, _ = saved
    weights.with_name(name).unlink()
    with pytest.raises(WeightsError, match=rf"{name} is missing: .* belong together"):
        load_generator(weights, None)


@pytest.mark.parametrize("text", ["", "{", "[1]", "<html>"])
def test_a_description_that_is_none(saved, built, text):
    weights, _ = saved
    weights.with_suffix(".json").write_text(text)
    with pytest.raises(WeightsError, match=r"weights\.json is no"):
        load_generator(weights, None)


def test_a_description_without_a_model(saved, built):
    weights, _ = saved
    weights.with_suffix(".json").write_text(json.dumps({"kind": "tiny", "task": "generation"}))
    with pytest.raises(WeightsError, match=r"weights\.json has no 'model'"):
        load_generator(weights, None)


def test_weights_of_another_architecture(tmp_path, built):
    weights = tmp_path / "weights.safetensors"
    save_weights(weights, {"network.0.weight": torch.zeros(2, 2)}, tmp_path / "weights.json", DESCRIPTION)
    with pytest.raises(WeightsError, match=r"weights\.safetensors does not fit a tiny generator .*network\.0\.weight"):
        load_generator(weights, None)


def test_a_file_that_is_no_safetensors(tmp_path, built):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"PK\x03\x04 a pickle in a zip")
    content = {**DESCRIPTION, "weights_hash": checkpoint.file_hash(weights)}
    (tmp_path / "weights.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=r"weights\.safetensors does not fit"):
        load_generator(weights, None)


def test_the_archive_keeps_every_training(saved, built, tmp_path):
    weights, tensors = saved
    first = archive_weights(weights, weights.with_suffix(".json"))
    content = first.read_bytes()
    weights.unlink()
    save_weights(
        weights, {name: tensor * 2 for name, tensor in tensors.items()}, weights.with_suffix(".json"), DESCRIPTION
    )
    second = archive_weights(weights, weights.with_suffix(".json"))
    assert first != second and first.read_bytes() == content
    assert sorted(path.suffix for path in first.parent.iterdir()) == [".json", ".json", ".safetensors", ".safetensors"]
    assert first.stem == read_description(first)["weights_hash"][:12]
    weights.write_bytes(b"overwritten in place")
    assert load_generator(second, None).state_dict()["counter"] == 14


def test_tied_weights_can_be_saved(tmp_path):
    shared = torch.rand(3)
    save_weights(tmp_path / "w.safetensors", {"a": shared, "b": shared}, tmp_path / "w.json", DESCRIPTION)
    assert read_description(tmp_path / "w.safetensors")["kind"] == "tiny"
