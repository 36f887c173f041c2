"""The pieces of the report: what is counted, binned, drawn and written, against values known by hand."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.report import counts, figures, text
from sunflow.report.best import best_crystals
from sunflow.report.distribution import Bins
from sunflow.report.periodic_table import cells
from sunflow.report.rows import Row, assemble
from sunflow.report.structure_view import conventional_cell, structure_view, upright
from sunflow.report.sunflower import MAX_SEEDS, seeds

COLUMNS = "status converged energy_above_hull metastable stable unique novel sun geometry_valid reason".split()
VERDICTS = pd.DataFrame(
    [
        ("ok", True, -0.01, True, True, True, True, True, True, ""),
        ("ok", True, 0.0, True, True, False, True, False, True, ""),
        ("ok", True, 0.1, True, False, True, True, False, False, ""),
        ("ok", True, 0.1001, False, False, True, True, False, True, ""),
        ("ok", True, None, None, None, True, True, None, True, ""),
        ("not_converged", False, None, None, None, True, True, None, True, "0.31 eV/Å after 200 steps"),
        ("not_converged", False, None, None, None, True, True, None, True, "0.07 eV/Å after 200 steps"),
        ("failed", False, None, None, None, None, None, None, False, "unsupported element Og"),
    ],
    columns=COLUMNS,
).assign(crystal_id=[f"{i}" for i in range(8)], space_group=[225, 225, 1, None, None, None, None, None])


def rock_salt(name="0", status="ok"):
    lattice = 2.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal(name, lattice, np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array([11, 17]), status)


@pytest.fixture
def row():
    crystals = [rock_salt(name) for name in VERDICTS["crystal_id"]]
    return Row({"generator": "crysbfn", "num_requested": 8}, VERDICTS, crystals, "crysbfn", "#e0a000")


def test_every_crystal_has_one_outcome():
    counted = counts.outcomes(VERDICTS)
    assert counted == {
        "sun": 1,
        "stable": 1,
        "metastable": 1,
        "unstable": 1,
        "not_covered": 1,
        "not_converged": 2,
        "failed": 1,
    }
    assert list(counts.statuses(VERDICTS).values()) == [5, 2, 1]


def test_funnel_filters_are_cumulative_and_end_in_sun(row):
    steps = {step.name: step.counts[0] for step in counts.funnel([row], 0.0, 0.1)}
    assert list(steps.values()) == [8, 6, 5, 4, 3, 2, 1, 1]
    assert steps["novel = S.U.N."] == VERDICTS["sun"].eq(True).sum()


def test_reasons_that_differ_in_a_number_count_together():
    assert counts.reasons(VERDICTS) == [
        ("not_converged", "… eV/Å after … steps", 2),
        ("failed", "unsupported element Og", 1),
    ]


def test_elements_and_space_groups(row):
    assert counts.element_shares(row) == {"Na": 1.0, "Cl": 1.0}
    assert counts.space_groups([row]) == [(225, [0.25]), (1, [0.125])]


def test_a_threshold_belongs_to_the_bin_below_it():
    bins = Bins(width=0.1, first=-1, number=3)
    assert bins.edges.tolist() == [-0.1, 0.0, 0.1, 0.2]
    assert bins.shares(np.array([0.0, 0.1, 0.1001, 5.0]), 8).tolist() == [1 / 8, 1 / 8, 1 / 8]


def test_bins_cover_the_bulk_and_leave_the_tail():
    energies = np.concatenate([np.linspace(-0.05, 0.3, 99), [25.0]])
    bins = Bins.over([energies, np.array([])])
    assert bins.edges[0] < -0.05
    assert 0.3 <= bins.edges[-1] < 1
    assert bins.shares(energies, 100).sum() == pytest.approx(0.99)


def test_cumulative_curve_is_the_rate_of_the_table(row):
    figure = figures.hull_distribution([row], 0.0, 0.1)
    go.Figure(figure)
    curve = figure["data"][1]
    at_or_below = [y for x, y in zip(curve["x"], curve["y"], strict=True) if x <= 0.1][-1]
    assert at_or_below == pytest.approx(100 * VERDICTS["metastable"].eq(True).mean())


def test_a_curve_without_losses_is_no_figure():
    assert figures.training_curve(pd.DataFrame({"epoch": [1], "seconds": [2.0]})) is None
    assert figures.training_curve(pd.DataFrame({"epoch": [1], "train_loss": [None]})) is None
    go.Figure(figures.training_curve(pd.DataFrame({"epoch": [1, 2], "train_loss": [3.0, -2.0]})))


@pytest.mark.parametrize("number", [0, 1, 7, 16, 22, MAX_SEEDS, MAX_SEEDS + 1, 10_000])
def test_seeds_stay_within_the_head_and_show_every_outcome(number):
    counted = {"sun": min(number, 1), "failed": max(number - 1, 0)}
    head = seeds(counted)
    assert len(head) <= MAX_SEEDS
    assert {seed.outcome for seed in head} == {name for name, count in counted.items() if count}
    assert all(math.hypot(seed.x, seed.y) + seed.radius <= 1 for seed in head)
    apart = [math.dist((a.x, a.y), (b.x, b.y)) - 2 * a.radius for i, a in enumerate(head[:60]) for b in head[:i]]
    assert min(apart, default=0) > -1e-9


def test_periodic_table_has_a_place_for_every_element():
    table = cells()
    assert len({(cell.row, cell.column) for cell in table}) == 118
    places = {cell.symbol: (cell.row, cell.column) for cell in table}
    assert places["H"] == (1, 1)
    assert places["He"] == (1, 18)
    assert places["Fe"] == (4, 8)
    assert places["La"] == (9, 3)
    assert places["Lu"] == (9, 17)
    assert places["Hf"] == (6, 4)


def test_rock_salt_is_shown_as_its_cube():
    view = structure_view(rock_salt())
    positions = {atom["symbol"]: np.array(atom["positions"]) for atom in view["atoms"]}
    assert len(positions["Na"]) == 14
    assert len(positions["Cl"]) == 13
    assert np.abs(np.concatenate(list(positions.values()))).max() == pytest.approx(2, abs=1e-3)
    assert len(view["edges"]) == 12
    assert len(view["bonds"]) == 54
    lengths = [np.linalg.norm(np.subtract(*bond)) for bond in view["bonds"]]
    assert np.allclose(lengths, 2.0, atol=2e-3)


def test_a_crystal_without_symmetry_or_neighbours_is_shown_as_it_is():
    lattice = np.array([[3.0, 0, 0], [0.4, 4.1, 0], [0.3, 0.2, 5.3]])
    crystal = Crystal("0", lattice, np.array([[0.1, 0.2, 0.3], [0.5, 0.6, 0.8], [0.7, 0.1, 0.6]]), np.array([3, 8, 9]))
    shown = conventional_cell(crystal)
    assert abs(np.linalg.det(shown[0])) == pytest.approx(crystal.volume)
    assert sum(len(atom["positions"]) for atom in structure_view(crystal)["atoms"]) == 3
    alone = Crystal("0", 3 * np.eye(3), np.zeros((1, 3)), np.array([84]))
    assert len(structure_view(alone)["atoms"][0]["positions"]) == 8


def test_the_picture_is_turned_and_never_mirrored():
    lattice = np.random.default_rng(0).normal(size=(3, 3))
    turned = upright(lattice)
    assert np.allclose(turned @ turned.T, lattice @ lattice.T)
    assert np.linalg.det(turned) == pytest.approx(np.linalg.det(lattice))
    assert np.allclose(turned[2, :2], 0)
    assert turned[0, 1] == pytest.approx(0)


def test_best_crystals_are_unique_novel_and_in_order_of_energy(row):
    found = best_crystals(row)
    assert [(line["crystal_id"], line["sun"]) for line in found] == [("0", True), ("2", False), ("3", False)]
    assert len(best_crystals(row, most=1)) == 1


def test_labels_tell_only_what_differs():
    records = [
        {"generator": "crysbfn", "task": "generation", "relaxer": relaxer, "hull": "dataset"} for relaxer in ("a", "b")
    ]
    records += [{**record, "generator": "reference", "task": "test"} for record in records]
    rows = assemble(pd.DataFrame(records), [VERDICTS] * 4, [[]] * 4)
    assert [row.label for row in rows] == ["crysbfn · a", "crysbfn · b", "reference · a", "reference · b"]
    assert len({row.color for row in rows if not row.is_reference}) == 2


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.percent(1 / 3), "33.3\u202f%"),
        (text.percent(0.0004), "0.04\u202f%"),
        (text.percent(0.0), "0\u202f%"),
        (text.percent(1.0), "100\u202f%"),
        (text.percent(float("nan")), "–"),
        (text.integer(10000), "10\u202f000"),
        (text.duration(0.0123), "0.012\u202fs"),
        (text.duration(59.96), "60\u202fs"),
        (text.duration(185), "3\u202fmin 5\u202fs"),
        (text.duration(7260), "2\u202fh 1\u202fmin"),
        (text.energy(-0.0123), "−0.0123"),
        (text.energy(-0.00001), "+0.0000"),
        (text.formula("Na3N"), "Na<sub>3</sub>N"),
        (text.formula("<b>H2"), "&lt;b&gt;H<sub>2</sub>"),
        (text.formula("NaN"), "NaN"),
        (text.space_group(225), '<i>F</i><i>m</i><span class="overbar">3</span><i>m</i>'),
        (text.space_group(194), "<i>P</i>6<sub>3</sub>/<i>m</i><i>m</i><i>c</i>"),
        (text.space_group(float("nan")), "–"),
    ],
)
def test_numbers_and_names_read_well(shown, expected):
    assert str(shown) == expected
