import logging
import pickle

import pytest
import torch

from sunflow.training import states
from sunflow.training.states import TrainingStates


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.fixture
def two(tmp_path):
    kept = TrainingStates(tmp_path / "training_state", "stamp")
    kept.save({"step": 1, "weights": torch.arange(1000.0)})
    kept.save({"step": 2, "weights": torch.arange(1000.0) + 1})
    return kept


def test_the_latest_is_loaded(two):
    state = two.load()
    assert state["step"] == 2 and torch.equal(state["weights"], torch.arange(1000.0) + 1)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "no zip", "pickle"])
def test_a_damaged_latest_state_falls_back(two, damage, caplog):
    content = two.latest.read_bytes()
    middle = len(content) // 2
    two.latest.write_bytes(
        {
            "truncated": content[:middle],
            "empty": b"",
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "no zip": b"<html>" * 100,
            "pickle": pickle.dumps(Trap()),
        }[damage]
    )
    assert two.load()["step"] == 1
    assert "latest.pt is damaged" in caplog.text


def test_a_zip_with_code_in_it_is_not_executed(two, caplog):
    torch.save({"stamp": "stamp", "state": Trap()}, two.latest)
    assert two.load()["step"] == 1
    assert "latest.pt is damaged" in caplog.text


def test_killed_between_two_renames(two):
    two.latest.unlink()
    assert two.load()["step"] == 1


def test_all_damaged_starts_anew(two):
    two.latest.write_bytes(b"x")
    two.previous.write_bytes(b"x")
    assert two.load() is None


def test_another_stamp_starts_anew(two, caplog):
    caplog.set_level(logging.INFO)
    assert TrainingStates(two.folder, "another").load() is None
    assert "other settings, data or code" in caplog.text


def test_nothing_there(tmp_path):
    assert TrainingStates(tmp_path / "none", "stamp").load() is None


def test_a_state_is_due_by_time(two, monkeypatch):
    assert not two.due
    monkeypatch.setattr(states, "SECONDS_BETWEEN_STATES", 0.0)
    monkeypatch.setattr(states, "MAX_SHARE_OF_TIME", float("inf"))
    two.save({"step": 3})
    assert two.due


def test_removed_at_the_end(two):
    two.remove()
    assert not two.folder.exists()
