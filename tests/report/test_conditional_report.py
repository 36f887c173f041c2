"""The page's table and picture of crystals that were asked for a property."""

import pandas as pd
import pytest

from sunflow.report.conditional_table import conditional_chart, conditional_table
from sunflow.report.templates import environment

COLORS = {"symmbfn": "#e0a000", "symmbfn_deep": "#2a9d8f"}
DISTRIBUTION = {"mean": -1.0, "std": 0.3, "p5": -1.5, "p25": -1.2, "p50": -1.0, "p75": -0.8, "p95": -0.5}


def record(generator, estimate="chgnet", relaxer="chgnet", target=None, **values):
    names = {"generator": generator, "relaxer": relaxer, "property": "formation_energy_per_atom", "target": target}
    counts = {"estimate": estimate, "num_requested": 100, "num_metastable": 40, "num_estimated": 38}
    rates = {f"{name}_rate": 0.25 for name in ("metastable", "stable", "sun")}
    return names | counts | rates | DISTRIBUTION | {"protocol": "of metastable crystals"} | values


DEEP = record("symmbfn_deep", target=-2.8, within_tolerance=0.5, mean_absolute_deviation=0.4, reference_mae=0.05)
TRAIN = record("train", "dataset", None, metastable_rate=None, stable_rate=None, sun_rate=None)
PUBLISHED = {"generator": "SymmBFN (published)", "target": -2.8, "stable_rate": 0.104, "protocol": "table 6"}
PUBLISHED |= {"property": "formation_energy_per_atom"}


@pytest.fixture
def table():
    return pd.DataFrame([record("symmbfn"), DEEP, record("reference"), TRAIN, PUBLISHED])


def test_each_row_is_named_by_target_and_estimate(table):
    shown = conditional_table(table, COLORS)
    names = [line.name for line in shown.lines]
    assert names[:2] == [
        "symmbfn, by chgnet, relaxed by chgnet",
        "symmbfn_deep, target -2.8, by chgnet, relaxed by chgnet",
    ]
    assert names[3:] == ["train, by dataset", "SymmBFN, target -2.8"]
    assert [line.color for line in shown.lines[:3]] == ["#e0a000", "#2a9d8f", None]
    assert [line.is_reference for line in shown.lines].index(True) == 2 and shown.lines[4].is_published
    texts = [figure.text for figure in shown.lines[1].figures]
    near = shown.lines[1].figures[[column.name for column in shown.columns].index("within_tolerance")]
    assert "0.0500" in texts and near.about == "19 of 38 estimated crystals"


def test_the_table_is_whole_on_the_page(table):
    macros = environment().get_template("macros.html.jinja").module
    page = str(macros.metric_table(conditional_table(table, COLORS)))
    assert page.count("<tr") == page.count("</tr>") == 6
    assert "nan" not in page.lower().replace("dominan", "") and "None" not in page
    assert "mean</th>" in page, "what is neither better when high nor when low has no arrow"


def test_boxes_hold_the_percentiles_and_diamonds_are_targets(table):
    *boxes, targets = conditional_chart(table, COLORS)["data"]
    assert [box["name"].split(",")[0] for box in boxes] == ["train", "reference", "symmbfn_deep", "symmbfn"]
    deep = boxes[2]
    assert (deep["q1"], deep["median"], deep["upperfence"]) == ([-1.2], [-1.0], [-0.5])
    assert targets["x"] == [-2.8] and targets["y"] == deep["y"]


def test_several_properties_have_no_axis_in_common(table):
    other = table.assign(property="band_gap")
    assert conditional_chart(pd.concat([table, other]), COLORS) is None
    assert conditional_chart(table.assign(p50=None), COLORS) is None
    assert len(conditional_table(pd.concat([table, other]), COLORS).lines) == 10
