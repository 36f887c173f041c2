"""The table of steps: rates and costs of one generator sampled in several numbers of steps."""

import pandas as pd
import pytest

from sunflow.evaluation.rates import wilson_interval
from sunflow.stages.command import StageError
from sunflow.stages.steps import cost, steps

NUMBERS = {"symmbfn": 100, "symmbfn_50": 50, "symmbfn_500": 500}
ROWS = [
    {
        "generator": name,
        "base": "symmbfn",
        "num_steps": number,
        "task": "generation",
        "relaxer": "chgnet",
        "hull": "dataset",
    }
    for name, number in NUMBERS.items()
]
STABLE = {"symmbfn": 12, "symmbfn_50": 0, "symmbfn_500": 20}


def rates(row, requested=100):
    """As the stage `sun_table` writes them; nobody knows how long the 500 steps took."""
    name = row["generator"]
    found = {key: row[key] for key in ("generator", "task", "relaxer", "hull")} | {"num_requested": requested}
    for kind, count in (("stable", STABLE[name]), ("sun", STABLE[name] // 2), ("metastable", 50)):
        low, high = wilson_interval(count, requested)
        found |= {f"{kind}_rate": count / requested, f"{kind}_rate_low": low, f"{kind}_rate_high": high}
    known = name != "symmbfn_500"
    seconds = 0.001 * row["num_steps"] if known else None
    return found | {
        "seconds_per_crystal": seconds,
        "end_to_end_seconds_per_stable": 3.0 if known else None,
        "end_to_end_seconds_per_sun": None,
    }


@pytest.fixture
def folder(tmp_path):
    pd.DataFrame([rates(row) for row in ROWS]).to_csv(tmp_path / "rates.csv", index=False)
    return tmp_path


def tabulate(folder, rows=ROWS, benchmark=None):
    steps({"rows": rows, "benchmark": benchmark}, folder / "rates.csv", folder / "steps.csv", folder / "steps.svg")
    return pd.read_csv(folder / "steps.csv").set_index("generator")


def test_costs_are_seconds_over_rates_and_their_intervals_follow(folder):
    row = tabulate(folder).loc["symmbfn"]
    low, high = wilson_interval(12, 100)
    assert (row["base"], row["num_steps"], row["seconds_per_crystal"]) == ("symmbfn", 100, pytest.approx(0.1))
    assert row["seconds_per_stable"] == pytest.approx(0.1 / 0.12)
    assert (row["seconds_per_stable_low"], row["seconds_per_stable_high"]) == pytest.approx((0.1 / high, 0.1 / low))
    assert row["seconds_per_sun"] == pytest.approx(0.1 / 0.06)
    assert row["end_to_end_seconds_per_stable"] == 3.0


def test_where_nothing_was_found_the_cost_has_a_lower_end_alone(folder):
    row = tabulate(folder).loc["symmbfn_50"]
    assert pd.isna(row["seconds_per_stable"]) and pd.isna(row["seconds_per_stable_high"])
    assert row["seconds_per_stable_low"] == pytest.approx(0.05 / wilson_interval(0, 100)[1])


def test_where_nobody_knows_the_time_there_is_no_cost(folder):
    row = tabulate(folder).loc["symmbfn_500"]
    assert pd.isna(row["seconds_per_stable"]) and row["stable_rate"] == 0.2
    assert cost("x", None, [0.1, 0.2, 0.1]) == {"x": None, "x_low": None, "x_high": None}


def test_published_rows_are_those_of_the_paper(folder):
    published = tabulate(folder, benchmark="mp20").loc["SymmBFN (published)"].set_index("num_steps")
    assert sorted(published.index) == [50, 100, 500, 1000, 2000]
    for number, row in published.iterrows():
        for kind in ("sun", "stable") if number != 2000 else ("sun",):
            expected = row["seconds_per_crystal"] / row[f"{kind}_rate"]
            assert row[f"seconds_per_{kind}"] == pytest.approx(expected, rel=0.02)
    assert published.loc[2000, "seconds_per_stable"] == 1.6 and "is 1.160 s" in published.loc[2000, "protocol"]


def test_the_figure_shows_every_number_of_steps(folder):
    tabulate(folder)
    picture = (folder / "steps.svg").read_text()
    for words in (">50<", ">100<", ">500<", "symmbfn · chgnet, stable", "S.U.N."):
        assert words in picture


def test_no_rows_and_other_rows_are_refused(folder):
    with pytest.raises(StageError, match="no rows"):
        tabulate(folder, rows=[])
    with pytest.raises(StageError, match="does not hold the rows"):
        tabulate(folder, rows=ROWS[:2])
