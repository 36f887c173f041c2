"""Match rates on the page."""

import pandas as pd
import pytest

from sunflow.report.prediction_table import prediction_table


def row(generator, name, rate, rmse, **more):
    known = {"generator": generator, "num_steps": None, "filter": name, "k": 1, "num_pairs": None, "protocol": ""}
    return {**known, "match_rate": rate, "rmse": rmse, "metre": None, "crmse": None} | more


def test_one_line_per_generator_and_number_of_steps_with_every_filter():
    interval = {"match_rate_low": 0.4, "match_rate_high": 0.6, "rmse_low": 0.05, "rmse_high": 0.07}
    ours = {"num_pairs": 200, **interval}
    table = prediction_table(
        pd.DataFrame(
            [
                row("crysbfn", "none", 0.5, 0.06, num_steps=100, metre=0.55, crmse=0.25, **ours),
                row("crysbfn", "crysbfn", 0.48, 0.05, num_steps=100, **ours),
                row("crysbfn", "none", 0.9, 0.01, num_steps=100, **ours | {"k": 20}),
                row("crysbfn", "none", 0.4, 0.09, num_steps=10, **ours),
                row("reference", "none", 1.0, 0.0, num_pairs=200),
                row("CrysBFN (published)", "crysbfn", 0.6435, 0.0433, protocol="table 2"),
            ]
        ),
        {"crysbfn": "#123456"},
    )
    assert [line.name for line in table.lines] == ["crysbfn, 100 steps", "crysbfn, 10 steps", "reference", "CrysBFN"]
    assert [line.is_published for line in table.lines] == [False, False, False, True]
    assert table.lines[2].is_reference
    figures = dict(zip([column.name for column in table.columns], table.lines[0].figures, strict=True))
    assert figures["match_rate_none"].count == "100" and "40" in figures["match_rate_none"].interval
    assert figures["match_rate_crysbfn"].count == "96"
    assert figures["metre"].count == "110"
    assert figures["rmse_diffcsp"].text == figures["match_rate_diffcsp"].text == "–"
    assert table.protocols[-1] == "table 2"


@pytest.mark.parametrize("steps", [None, float("nan")])
def test_without_any_match_there_is_a_line_all_the_same(steps):
    table = prediction_table(pd.DataFrame([row("mine", "none", 0.0, None, num_pairs=3, num_steps=steps)]), {})
    assert table.lines[0].figures[0].count == "0"
