"""Measures of a hull that can be worked out by hand."""

import pandas as pd
import pytest
from pymatgen.core import Composition
from test_hull_sources import crystal

from sunflow.evaluation.hull import Hull, entries_table
from sunflow.evaluation.hull_quality import control, drawn_formulas, left_out
from sunflow.evaluation.rates import wilson_interval


def by_name(measures):
    return {measure.measure: measure for measure in measures}


@pytest.fixture
def hull():
    """LiO hides Li3O's loss; without LiO the mixture falls back on Li3O and oxygen."""
    rows = [
        ("1", "Li", 0.0, ""),
        ("2", "O2", 0.0, ""),
        ("3", "LiO", -1.0, ""),
        ("4", "LiO", -0.7, ""),
        ("5", "Li3O", -0.2, ""),
        ("6", "NaO", -9.0, ""),
    ]
    return Hull(entries_table(rows), {}, {})


def test_compositions_left_out_one_at_a_time(hull):
    """LiO: from -1 to -0.2 · 2/3, so 0.8667 too high; Li3O lies above the mixture of LiO and Li with and without."""
    found = by_name(left_out(hull, 300, 0, stable=0.0))
    missing = 1 - 0.4 / 3
    assert found["left_out_mean_error"].value == pytest.approx(missing / 2)
    assert found["left_out_median_error"].value == pytest.approx(missing / 2)
    assert found["left_out_apparently_stable"].value == 0.5
    assert found["left_out_truly_stable"].value == 0.5
    assert {measure.num for measure in found.values()} == {2}
    assert (found["left_out_truly_stable"].low, found["left_out_truly_stable"].high) == wilson_interval(1, 2)
    mean = found["left_out_mean_error"]
    assert mean.high - mean.value == pytest.approx(1.959964 * missing / 2)


def test_a_sparse_hull_calls_stable_what_is_not():
    """Entries above the hull whose hull energy is known: by what remains without its point, Li3O looks stable."""
    rows = [("1", "Li", 0.0, ""), ("2", "O2", 0.0, ""), ("3", "Li3O", -0.5, "MP", 0.1), ("4", "LiO", -0.1, "MP", 0.3)]
    found = by_name(left_out(Hull(entries_table(rows), {}, {}), 300, 0, stable=0.0))
    assert found["left_out_truly_stable"].value == 0.0
    assert found["left_out_apparently_stable"].value == 0.5
    lenient = by_name(left_out(Hull(entries_table(rows), {}, {}), 300, 0, stable=0.1))
    assert lenient["left_out_truly_stable"].value == 0.5


def test_all_entries_of_a_composition_go_at_once(hull):
    """The second LiO, 0.3 eV/atom above the first, does not stand in for it."""
    only = hull.joined_by(entries_table([("7", "LiO", -0.99, "")]))
    assert by_name(left_out(only, 300, 0, 0.0))["left_out_mean_error"].value == pytest.approx((1 - 0.4 / 3) / 2)


def test_the_draw_depends_on_the_seed_and_not_on_the_order():
    rows = [(str(i), Composition(f"Li{i}O").reduced_formula, -1.0 / i, "") for i in range(1, 30)]
    rows += [("a", "Li", 0.0, ""), ("b", "O2", 0.0, "")]
    one, other = Hull(entries_table(rows), {}, {}), Hull(entries_table(rows[::-1]), {}, {})
    ten = drawn_formulas(one, 10, seed=0)
    assert ten == drawn_formulas(other, 10, seed=0) == sorted(ten)
    assert len(set(ten)) == 10 and set(ten) < set(drawn_formulas(one, 20, seed=0))
    assert ten != drawn_formulas(one, 10, seed=1)
    assert len(drawn_formulas(one, 300, seed=0)) == 29


def test_elements_and_what_the_hull_does_not_cover_are_not_drawn(hull):
    assert drawn_formulas(hull, 300, 0) == ["Li3O", "LiO"]


def test_nothing_to_leave_out():
    found = left_out(Hull(entries_table([("1", "Li", 0.0, "")]), {}, {}), 300, 0, 0.0)
    assert {(measure.value, measure.num) for measure in found} == {(None, 0)}


def energies(**above):
    """Converged unless the value says otherwise."""
    rows = [(name, *(value if isinstance(value, tuple) else (value, "ok"))) for name, value in above.items()]
    return pd.DataFrame(rows, columns=["crystal_id", "energy_above_hull", "status"])


def reference(**published):
    return [crystal(name, [11, 7], energy_above_hull=value) for name, value in published.items()]


def test_control_beside_the_published():
    """a: exact; b: 0.05 too high; c: too low; d is unpublished; e, f and g have no verdict."""
    crystals = reference(a=0.0, b=0.0, c=0.2, d=None, e=0.0, f=0.0, g=0.5)
    measured = energies(a=0.0, b=0.05, c=0.08, d=0.0, e=None, f=(0.0, "not_converged"), g=(None, "failed"))
    found = by_name(control(crystals, measured, stable=0.0, metastable=0.1))
    assert found["control_mean_error"].value == pytest.approx((0.05 - 0.12) / 3)
    assert found["control_mean_absolute_error"].value == pytest.approx((0.05 + 0.12) / 3)
    assert found["control_stable"].value == pytest.approx(1 / 3)
    assert found["control_stable_published"].value == pytest.approx(2 / 3)
    assert found["control_metastable"].value == 1.0
    assert found["control_metastable_published"].value == pytest.approx(2 / 3)
    assert (found["control_stable"].low, found["control_stable"].high) == wilson_interval(1, 3)
    assert (found["control_unpublished"].value, found["control_undecided"].value) == (1, 3)
    compared = found["control_mean_error"].num
    assert compared + found["control_unpublished"].value + found["control_undecided"].value == len(crystals)


def test_control_does_not_depend_on_the_order_of_the_table():
    crystals, table = reference(a=0.0, b=0.3), energies(a=0.1, b=0.2)
    assert control(crystals, table, 0.0, 0.1) == control(crystals, table[::-1], 0.0, 0.1)


def test_published_energies_are_rounded_as_measured_ones_are():
    found = by_name(control(reference(a=4e-5), energies(a=0.0), 0.0, 0.1))
    assert found["control_stable_published"].value == 1.0


def test_control_without_published_values():
    found = by_name(control(reference(a=None, b=float("nan")), energies(a=0.0, b=0.0), 0.0, 0.1))
    assert found["control_mean_error"].value is None and found["control_stable"].num == 0
    assert found["control_unpublished"].value == 2


@pytest.mark.parametrize("table", [energies(a=0.0), energies(a=0.0, c=0.0), energies(a=0.0, b=0.0, c=0.0)])
def test_control_of_other_crystals_is_refused(table):
    with pytest.raises(ValueError, match="do not hold the same crystals"):
        control(reference(a=0.0, b=0.0), table, 0.0, 0.1)
