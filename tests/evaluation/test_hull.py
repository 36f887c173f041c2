"""Energies above hull agree with pymatgen's, and every trap around them is closed."""

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from sunflow.evaluation.hull import Hull, entries_table

ELEMENTS = {"Li": -1.9, "O": -4.9, "Fe": -8.4, "Na": -1.3, "S": -4.1}
KNOWN = [
    ("1", "Li", 0.0),
    ("2", "O2", 0.0),
    ("3", "Fe", 0.0),
    ("4", "Li2O", -2.0),
    ("5", "Li2O2", -1.6),
    ("6", "Fe2O3", -1.7),
    ("7", "FeO", -1.4),
    ("8", "LiFeO2", -1.95),
    ("9", "Fe", 0.1),
]


@pytest.fixture
def hull():
    rows = [(name, Composition(formula).reduced_formula, energy, "test") for name, formula, energy in KNOWN]
    return Hull(entries_table(rows), ELEMENTS, {"hull": "test"})


def phase_diagram(rows):
    return PhaseDiagram([PDEntry(Composition(f), e * Composition(f).num_atoms) for f, e in rows])


@pytest.mark.parametrize("num_elements", [1, 2, 3, 4, 5])
def test_agrees_with_pymatgen_below_and_above_the_hull(num_elements):
    random = np.random.default_rng(num_elements)
    elements = list(ELEMENTS)[:num_elements]
    rows = [(Composition(element).reduced_formula, 0.0) for element in elements]
    for _ in range(12 * (num_elements - 1)):
        amounts = random.integers(0, 4, num_elements)
        if np.count_nonzero(amounts) > 1:
            formula = Composition(dict(zip(elements, amounts.tolist(), strict=True))).reduced_formula
            rows.append((formula, random.normal(-0.5, 0.5)))
    ours = Hull(entries_table([(str(i), f, e, "") for i, (f, e) in enumerate(rows)]), ELEMENTS, {})
    theirs = phase_diagram(rows)
    signs = set()
    for _ in range(40):
        composition = Composition(dict(zip(elements, random.integers(1, 5, num_elements).tolist(), strict=True)))
        expected = theirs.get_hull_energy_per_atom(composition)
        assert ours.energy(composition) == pytest.approx(expected, abs=1e-7)
        formation = expected + random.normal(0, 0.1)
        reference = sum(
            share * ELEMENTS[name] for name, share in composition.fractional_composition.get_el_amt_dict().items()
        )
        distance = ours.distance(composition, formation + reference)
        entry = PDEntry(composition, formation * composition.num_atoms)
        assert distance.energy_above_hull == pytest.approx(
            theirs.get_e_above_hull(entry, allow_negative=True), abs=0.5e-4 + 1e-7
        )
        signs.add(distance.energy_above_hull > 0)
    assert signs == {True, False}


def test_an_entry_lies_on_its_own_hull(hull):
    reference = 2 / 3 * ELEMENTS["Li"] + 1 / 3 * ELEMENTS["O"]
    assert hull.distance(Composition("Li2O"), -2.0 + reference).energy_above_hull == 0.0


def test_a_generated_crystal_never_joins_its_own_hull(hull):
    composition, reference = Composition("Li2O"), 2 / 3 * ELEMENTS["Li"] + 1 / 3 * ELEMENTS["O"]
    for _ in range(2):
        assert hull.distance(composition, -2.3 + reference).energy_above_hull == pytest.approx(-0.3)


@pytest.mark.parametrize(("excess", "expected"), [(0.00004, 0.0), (-0.00004, 0.0), (0.00006, 0.0001)])
def test_rounded_to_a_tenth_of_a_millielectronvolt(hull, excess, expected):
    distance = hull.distance(Composition("Fe"), ELEMENTS["Fe"] + excess)
    assert distance.energy_above_hull == expected
    assert not np.signbit(distance.energy_above_hull) or expected != 0


@pytest.mark.parametrize(
    ("formula", "coverage"),
    [
        ("Li4O2", "same_composition"),
        ("O", "same_composition"),
        ("Li3O", "same_system"),
        ("LiFe", "subsystems_only"),
        ("NaCl", "not_covered"),
        ("Na2O", "not_covered"),
        ("LiCl", "not_covered"),
    ],
)
def test_coverage(hull, formula, coverage):
    distance = hull.distance(Composition(formula), -3.0)
    assert distance.coverage == coverage
    assert (distance.energy_above_hull is None) == (coverage == "not_covered")


def test_survives_the_disk(hull, tmp_path):
    hull.write(tmp_path / "hull.parquet")
    again = Hull.read(tmp_path / "hull.parquet")
    assert again.element_energies == ELEMENTS
    assert again.metadata == {"hull": "test"}
    assert again.energy(Composition("LiFe3O4")) == hull.energy(Composition("LiFe3O4"))


def test_the_decomposition_is_in_fractions_of_atoms(hull):
    distance = hull.distance(Composition("Li3O"), -3.0)
    assert distance.decomposition == pytest.approx({"Li2O": 0.75, "Li": 0.25})
    assert hull.distance(Composition("NaCl"), -3.0).decomposition is None


def test_a_chemical_system_is_made_once(hull):
    assert hull.system(Composition("Li2O")) is hull.system(Composition("LiO2"))
    assert hull.system(Composition("Li2O")) is not hull.system(Composition("FeO"))


@pytest.mark.parametrize("elements", ["LiOFe", "LiFe", "Fe"])
def test_a_system_holds_the_entries_of_its_subsystems_and_no_others(hull, elements):
    composition = Composition(elements)
    held = hull.system(composition).formulas
    expected = {f for _, f, _ in KNOWN if set(Composition(f).chemical_system_set) <= composition.chemical_system_set}
    assert sorted(held) == sorted(Composition(formula).reduced_formula for formula in expected)


def test_joining_leaves_the_hull_alone(hull):
    joined = hull.joined_by(entries_table([("new", "Li2O", -2.5, "sample")]))
    assert joined.energy(Composition("Li2O")) == pytest.approx(-2.5)
    assert hull.energy(Composition("Li2O")) == pytest.approx(-2.0)
    assert joined.energy(Composition("FeO")) == hull.energy(Composition("FeO"))
    assert len(joined.entries) == len(hull.entries) + 1


@pytest.mark.parametrize("energy", [np.nan, np.inf])
def test_energies_that_are_none_are_refused_by_name(energy):
    with pytest.raises(ValueError, match="'bad' has no finite formation energy"):
        Hull(entries_table([("1", "Li", 0.0, ""), ("bad", "Li2O", energy, "")]), ELEMENTS, {})


def test_entries_are_in_a_fixed_order():
    rows = [("1", "Li", 0.0, ""), ("2", "Li2O", -2.0, "", 0.3), ("3", "O2", 0.0, "")]
    table = entries_table(rows)
    assert table.equals(entries_table(rows[::-1]))
    assert table["published_energy_above_hull"].tolist() == pytest.approx([np.nan, 0.3, np.nan], nan_ok=True)
