"""The tables of metrics: every figure with its interval, denominator and protocol, in the row and column it belongs."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from scipy.stats import wasserstein_distance

from sunflow.evaluation.distributions import PROPERTIES as COMPARED_PROPERTIES
from sunflow.evaluation.distributions import distribution_distances
from sunflow.evaluation.sun_curve import sun_curve
from sunflow.report.metric_definitions import COVERAGE, PROPERTIES, VALIDITY
from sunflow.report.metrics import cost_table, metric_tables, novelty_table
from sunflow.report.property_figures import MOST_POINTS, cumulative, property_figures
from sunflow.report.rows import Row, assemble
from sunflow.report.threshold_table import threshold_table
from sunflow.stages import coverage, validity
from sunflow.stages.measured import published_rows

NOTHING = pd.DataFrame()
COLORS = {"crysbfn": "#e0a000", "reference": "#8693a5"}


def tables(validity=NOTHING, coverage=NOTHING, distributions=NOTHING):
    return metric_tables(validity, coverage, distributions, "the test split", COLORS)


def rate(name, value, low, high):
    return {name: value, f"{name}_low": low, f"{name}_high": high}


OURS = {"generator": "crysbfn", "num_requested": 64, "num_reference": 100, "protocol": "as here"}
PAPER = {"generator": "DiffCSP (published)", "protocol": "as there"}


def test_a_rate_has_its_count_its_interval_and_its_denominator():
    rows = [
        {**OURS, **rate("valid", 43 / 64, 0.55, 0.774)},
        {**PAPER, "structural": 1.0, "compositional_cdvae": 0.8325},
    ]
    table = tables(validity=pd.DataFrame(rows))[0]
    ours, paper = table.lines
    assert [column.name for column in table.columns] == [column.name for column in VALIDITY]
    valid = ours.figures[-1]
    assert (valid.text, valid.count, valid.interval) == ("67.19\u202f%", "43", "55.00\u202f% to 77.40\u202f%")
    assert valid.about == "43 of 64 requested crystals"
    assert [figure.text for figure in paper.figures] == ["100\u202f%", "–", "83.25\u202f%", "–", "–"]
    assert not any(figure.count or figure.interval or figure.about for figure in paper.figures)
    assert (ours.sizes, paper.sizes) == (["64"], ["–"])


def test_recall_is_of_the_reference_and_precision_of_the_generated():
    row = OURS | rate("recall", 0.14, 0.08, 0.23) | rate("precision", 36 / 64, 0.44, 0.68)
    line = tables(coverage=pd.DataFrame([row | rate("amsd_recall", 0.66031, 0.61, 0.71)]))[1].lines[0]
    assert [figure.about for figure in line.figures[:2]] == [
        "14 of 100 reference crystals",
        "36 of 64 requested crystals",
    ]
    assert (line.figures[2].text, line.figures[2].interval) == ("0.6603", "0.6100 to 0.7100")
    assert [figure.text for figure in line.figures[3:]] == ["–"] * 3


def test_rows_of_papers_and_the_control_are_told_apart_with_their_protocols():
    rows = [OURS, {**OURS, "generator": "reference"}, PAPER, {**PAPER, "protocol": "elsewhere"}]
    table = tables(validity=pd.DataFrame(rows))[0]
    assert [line.name for line in table.lines] == ["crysbfn", "reference", "DiffCSP", "DiffCSP"]
    assert [line.is_published for line in table.lines] == [False, False, True, True]
    assert [line.is_reference for line in table.lines] == [False, True, False, False]
    assert [line.color for line in table.lines] == ["#e0a000", "#8693a5", None, None]
    assert [table.protocols[line.note - 1] for line in table.lines] == ["as here", "as here", "as there", "elsewhere"]


def test_what_is_missing_or_infinite_is_a_dash():
    row = {**OURS, "num_requested": math.nan, "recall": math.nan, "amsd_recall": math.inf, "amcd_recall": None}
    line = tables(coverage=pd.DataFrame([row]))[1].lines[0]
    assert {figure.text for figure in line.figures} == {"–"}
    assert line.sizes == ["–", "100"]


def test_empty_tables_have_no_lines():
    assert [table.lines for table in tables()] == [[], [], [], []]


def test_columns_are_those_of_the_stages():
    assert {column.name for column in VALIDITY} == set(validity.RATES)
    assert {column.name for column in COVERAGE} == set(coverage.METRICS)
    assert set(PROPERTIES) == set(COMPARED_PROPERTIES)


def measures(number, seed):
    random = np.random.default_rng(seed)
    values = {
        "density": random.gamma(4.0, size=number),
        "num_elements": random.integers(1, 5, number),
        "volume_per_atom": random.gamma(9.0, 2.0, size=number),
        "space_group": random.integers(1, 231, number),
    }
    return pd.DataFrame({**values, "valid": random.random(number) < 0.9})


@pytest.fixture(scope="module")
def distances():
    """As the stage writes them: of many crystals, of few, and of papers."""
    known = measures(60, 0)
    rows = [
        {"generator": name, **row}
        for name, number in (("crysbfn", 1500), ("small", 30), ("reference", 30))
        for row in distribution_distances(measures(number, 1), known, 0)
    ]
    paper = {"generator": "DiffCSP (published)", "property": "density", "distance": 0.35}
    return pd.DataFrame([*rows, {**paper, "definition": "as published: density", "protocol": "as there"}])


def test_distances_stand_in_a_table_per_protocol(distances):
    drawn, whole = tables(distributions=distances)[2:]
    assert [line.name for line in drawn.lines] == ["crysbfn", "small", "reference", "DiffCSP"]
    assert [line.name for line in whole.lines] == ["crysbfn", "small", "reference"]
    names = ["density", "num_elements", "volume_per_atom", "space_group"]
    for table in (drawn, whole):
        assert [column.name for column in table.columns] == names
        assert "Wasserstein distance of densities" in table.columns[0].meaning
    assert drawn.lines[0].sizes == ["1\u202f000", "60"]
    assert whole.lines[0].sizes == ["1\u202f500", "60"]
    assert len(drawn.protocols) == 3, "1 000 drawn, all of fewer, and the paper's"
    assert len(whole.protocols) == 1


def test_every_distance_is_in_its_place(distances):
    for table, place in zip(tables(distributions=distances)[2:], (0, 1), strict=True):
        for line in table.lines[:3]:
            for column, figure in zip(table.columns, line.figures, strict=True):
                row = distances[distances["generator"].eq(line.name) & distances["property"].eq(column.name)].iloc[
                    place
                ]
                assert figure.text == f"{row['distance']:.4f}"
                assert figure.interval == f"{row['low']:.4f} to {row['high']:.4f}"
                assert figure.about.startswith(row["definition"])


def test_sizes_that_differ_by_property_are_a_range(distances):
    fewer = distances.assign(
        num_generated=distances["num_generated"].where(
            distances["property"].ne("density"), distances["num_generated"] - 3
        )
    )
    assert tables(distributions=fewer)[3].lines[1].sizes == ["27 to 30", "60"]


@pytest.mark.parametrize("kept", ["published", "density"])
def test_distances_of_one_kind_alone(distances, kept):
    chosen = distances["generator"].str.contains(kept) | distances["property"].eq(kept)
    only = distances[chosen].dropna(axis="columns", how="all")
    drawn, whole = tables(distributions=only)[2:]
    assert [column.name for column in drawn.columns] == ["density"]
    assert drawn.lines[-1].figures[0].text == "0.3500"
    assert len(whole.lines) == (0 if kept == "published" else 3)


def test_published_rows_of_every_benchmark_are_shown():
    for benchmark in ("mp20", "perov5", "carbon24"):
        rows = pd.DataFrame(published_rows(benchmark, [column.name for column in VALIDITY]))
        lines = tables(validity=rows)[0].lines
        assert len(lines) == len(rows) > 0
        assert all(line.is_published and line.figures[0].text != "–" for line in lines)


def test_novelty_counts():
    row = {"num_requested": 200, **rate("unique_rate", 0.9, 0.85, 0.94), **rate("novel_rate", None, None, None)}
    (line,) = novelty_table(pd.DataFrame([row]), "mine", {}).lines
    assert [(figure.text, figure.count) for figure in line.figures] == [("90.00\u202f%", "180"), ("–", "")]


def test_rates_against_the_threshold_have_a_column_each():
    energies = [-0.01, 0.0, 0.04, 0.09, None]
    lines = pd.DataFrame({"energy_above_hull": energies, "converged": True, "unique": True, "novel": True})
    record = {"generator": "crysbfn", "task": "generation", "relaxer": "chgnet", "hull": "dataset"}
    rows = assemble(pd.DataFrame([record, {**record, "generator": "reference"}]), [lines, lines], [[], []])
    table = threshold_table(rows, [sun_curve(row.crystals) for row in rows])
    assert [column.label for column in table.columns] == ["≤ 0", "≤ 0.025", "≤ 0.05", "≤ 0.08", "≤ 0.1"]
    assert [figure.count for figure in table.lines[0].figures] == ["2", "2", "3", "3", "4"]
    assert [line.is_reference for line in table.lines] == [False, True]


def test_the_area_between_two_curves_is_their_distance():
    random = np.random.default_rng(0)
    first, second = random.gamma(3.0, size=150), random.normal(4.0, size=120)
    grid = np.unique(np.concatenate([first, second]))
    heights = []
    for values in (first, second):
        x, shares = cumulative(values)
        heights.append(np.concatenate([[0.0], shares])[np.searchsorted(x, grid[:-1], side="right")])
    area = float((np.abs(heights[0] - heights[1]) * np.diff(grid)).sum())
    assert area == pytest.approx(wasserstein_distance(first, second))


def test_a_curve_of_many_values_keeps_few_points_that_are_exact():
    values = np.random.default_rng(0).normal(size=5000)
    x, shares = cumulative(values)
    assert len(x) <= MOST_POINTS
    assert shares[-1] == 1
    assert np.allclose(shares, (values[:, None] <= x).mean(axis=0))


def test_pictures_of_properties():
    sets = {"crysbfn": measures(300, 1), "reference": measures(100, 0)}
    sets["crysbfn"].loc[:5, "density"] = 4000.0
    sets["reference"].loc[:5, "density"] = None
    pictures = property_figures(sets, COLORS)
    assert list(pictures) == ["density", "volume_per_atom", "num_elements"]
    for picture in pictures.values():
        go.Figure(picture)
        assert [trace["line"]["color"] for trace in picture["data"]] == list(COLORS.values())
    assert pictures["density"]["layout"]["xaxis"]["range"][1] < 40, "a few outliers do not flatten the rest"
    assert pictures["density"]["data"][1]["name"] == "reference: 94 crystals"


def test_pictures_of_nothing():
    empty = pd.DataFrame({"density": [None], "volume_per_atom": [None], "num_elements": [None]})
    assert property_figures({"crysbfn": empty}, COLORS) == {}
    assert len(property_figures({"crysbfn": empty, "reference": measures(1, 0)}, COLORS)) == 3


def test_costs_of_what_was_generated():
    costs = {f"{which}seconds_per_{what}": 2.0 for which in ("", "end_to_end_") for what in ("crystal", "stable")}
    names = ("seconds_per_sun", "end_to_end_seconds_per_sun")
    record = {"generator": "crysbfn", "num_requested": 9, **costs, **dict.fromkeys(names)}
    control = {**dict.fromkeys(record), "generator": "reference"}
    rows = [Row(each, pd.DataFrame(), [], each["generator"], "#123456") for each in (record, control)]
    (line,) = cost_table(rows, {}).lines
    assert [figure.text for figure in line.figures] == ["2.0000", "2.0000", "–"] * 2
    assert line.sizes == ["9"]
