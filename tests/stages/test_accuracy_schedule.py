import pandas as pd
import pytest

from sunflow.flows import accuracy_schedule as schedules
from sunflow.stages.accuracy_schedule import accuracy_schedule
from sunflow.stages.command import StageError


def test_the_table_holds_the_schedule_to_the_last_digit(tmp_path):
    accuracy_schedule("official", 10, 1000.0, tmp_path / "schedule.csv")
    table = pd.read_csv(tmp_path / "schedule.csv", float_precision="round_trip")
    assert list(table) == ["step", "time", "accuracy", "target_concentration", "expected_entropy"]
    assert table["step"].tolist() == list(range(1, 11)) and table["time"].iloc[-1] == 1
    assert table["accuracy"].tolist() == schedules.accuracy_schedule("official", 10, 1000.0).tolist()
    assert table["target_concentration"].iloc[4] == pytest.approx(21.307108, abs=1e-6)
    assert table["expected_entropy"].iloc[1] == pytest.approx(1.162, abs=0.01)


@pytest.mark.parametrize("kind", schedules.SCHEDULES)
def test_every_kind_has_its_table(kind, tmp_path):
    accuracy_schedule(kind, 4, 100.0, tmp_path / "schedule.csv")
    table = pd.read_csv(tmp_path / "schedule.csv")
    assert len(table) == 4 and table.notna().all(None) and (table["accuracy"] > 0).all()
    assert table["expected_entropy"].is_monotonic_decreasing


@pytest.mark.parametrize("kind", schedules.SCHEDULES)
def test_the_same_file_every_time(kind, tmp_path):
    for name in ("one.csv", "two.csv"):
        accuracy_schedule(kind, 5, 100.0, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize("arguments", [("linear", 10, 1e3), ("official", 0, 1e3), ("official", 10, -1.0)])
def test_mistakes_are_sentences_and_leave_no_file(arguments, tmp_path):
    with pytest.raises(StageError, match=r"known are official|must"):
        accuracy_schedule(*arguments, tmp_path / "schedule.csv")
    assert not list(tmp_path.iterdir())
