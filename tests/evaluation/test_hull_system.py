"""The best mixture, its certificate, and the facets that are remembered."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from sunflow.evaluation.hull import Hull, entries_table
from sunflow.evaluation.hull_system import CertificateError, ChemicalSystem

SYMBOLS = ["Li", "O", "Fe", "Na", "S"]


def system(energies):
    """A chemical system of these formulas and energies, elements included."""
    compositions = {formula: Composition(formula) for formula in energies}
    fractions = {name: c.fractional_composition.get_el_amt_dict() for name, c in compositions.items()}
    elements = sorted({element for row in fractions.values() for element in row})
    return ChemicalSystem(elements, fractions, energies)


def fractions(formula):
    return Composition(formula).fractional_composition.get_el_amt_dict()


@pytest.fixture
def binary():
    return system({"Li": 0.0, "O2": 0.0, "LiO": -1.0, "Li3O": -0.2})


def random_rows(num_elements, random, num_entries=60):
    """Elements at zero and random compounds; some lie above the hull, some formulas repeat."""
    rows = [(Composition(symbol).reduced_formula, 0.0) for symbol in SYMBOLS[:num_elements]]
    while len(rows) < num_entries:
        amounts = random.integers(0, 5, num_elements)
        if np.count_nonzero(amounts) > 1:
            formula = Composition(dict(zip(SYMBOLS, amounts.tolist(), strict=False))).reduced_formula
            rows.append((formula, float(random.normal(-0.5, 0.5))))
    return rows


def random_composition(num_elements, random):
    return Composition(dict(zip(SYMBOLS, random.integers(1, 9, num_elements).tolist(), strict=False)))


def test_closed_form_of_two_elements(binary):
    """Three quarters of lithium: half LiO at -1 and half lithium, which is below Li3O."""
    mixture = binary.mixture(fractions("Li3O"))
    assert mixture.energy == pytest.approx(-0.5)
    assert mixture.shares == pytest.approx({"Li": 0.5, "LiO": 0.5})
    assert mixture.chemical_potentials == pytest.approx({"Li": 0.0, "O": -2.0})


def test_an_element_is_a_system_too():
    mixture = system({"Fe": 0.25}).mixture({"Fe": 1.0})
    assert (mixture.energy, mixture.shares) == (0.25, {"Fe": 1.0})


@pytest.mark.parametrize("num_elements", [2, 3, 4, 5])
def test_agrees_with_pymatgen_on_500_compositions(num_elements):
    """In energy to 1e-7 eV/atom, and in the mixture, through remembered facets and through programs alike."""
    random = np.random.default_rng(num_elements)
    rows = random_rows(num_elements, random)
    ours = Hull(entries_table([(str(i), f, e, "") for i, (f, e) in enumerate(rows)]), {}, {})
    theirs = PhaseDiagram([PDEntry(Composition(f), e * Composition(f).num_atoms) for f, e in rows])
    for _ in range(125):
        composition = random_composition(num_elements, random)
        mixture = ours.mixture(composition)
        assert mixture.energy == pytest.approx(theirs.get_hull_energy_per_atom(composition), abs=1e-7)
        expected = {
            entry.composition.reduced_formula: share
            for entry, share in theirs.get_decomposition(composition).items()
            if share > 1e-8
        }
        assert mixture.shares == pytest.approx(expected, abs=1e-7)
    assert 0 < ours.system(composition).num_facets < 125


def test_a_composition_inside_a_remembered_facet_needs_no_program(binary, monkeypatch):
    binary.mixture(fractions("Li3O"))
    assert binary.num_facets == 1

    def refuse(*arguments, **settings):
        raise AssertionError("a linear program was solved")

    monkeypatch.setattr("sunflow.evaluation.hull_system.linprog", refuse)
    assert binary.mixture(fractions("Li2O")).energy == pytest.approx(-2 / 3)
    assert binary.mixture(fractions("LiO")).shares == pytest.approx({"LiO": 1.0})
    with pytest.raises(AssertionError, match="a linear program was solved"):
        binary.mixture(fractions("LiO2"))


def test_the_order_of_questions_and_of_entries_does_not_matter():
    random = np.random.default_rng(7)
    rows = dict(random_rows(4, random))
    compositions = [dict(random_composition(4, random).fractional_composition.get_el_amt_dict()) for _ in range(60)]
    forward, backward = system(rows), system(dict(reversed(rows.items())))
    one = [forward.mixture(composition) for composition in compositions]
    other = [backward.mixture(composition) for composition in reversed(compositions)][::-1]
    for a, b in zip(one, other, strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-10)
        assert a.shares == pytest.approx(b.shares, abs=1e-8)


@pytest.mark.parametrize("points", ["Li3O", "LiO2", "Li2O"])
def test_what_lies_between_corners_of_a_facet_is_not_part_of_the_mixture(points):
    """As the hull energies of compositions that are no stable phases do, which lie exactly between those."""
    energies = {"Li": 0.0, "O2": 0.0, "LiO": -1.0, "Li3O": -0.5, "Li2O": -2 / 3, "LiO2": -2 / 3}
    mixture = system(energies).mixture(fractions(points))
    assert set(mixture.shares) <= {"Li", "LiO", "O2"}
    assert mixture.energy == pytest.approx(energies[points], abs=1e-9)


def test_a_flat_hull_of_three_elements():
    """Every mixture of the elements is as good as every compound: corners are chosen, whatever is asked first."""
    flat = system({"Li": 0.0, "O2": 0.0, "Fe": 0.0, "LiO": 0.0, "FeO": 0.0, "LiFeO": 0.0})
    assert flat.mixture(fractions("LiFeO")).shares == pytest.approx({"Fe": 1 / 3, "Li": 1 / 3, "O2": 1 / 3})
    assert flat.num_facets == 1


def test_without_an_entry(binary):
    rest = binary.without("LiO")
    assert rest.formulas == ["Li", "O2", "Li3O"]
    assert rest.mixture(fractions("LiO")).energy == pytest.approx(-0.2 * 2 / 3)
    assert binary.mixture(fractions("LiO")).energy == -1.0


def test_what_entries_do_not_span_is_refused():
    with pytest.raises(ValueError, match="no mixture"):
        system({"Li2O": -1.0, "LiO": -1.0}).mixture(fractions("Li3O"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"energy": -0.6}, "do not make up the energy"),
        ({"shares": {"Li3O": 1.0}}, "do not make up the energy"),
        ({"shares": {"Li3O": 1.0}, "energy": -0.2}, "the chemical potentials do not make up the energy"),
        (
            {"shares": {"Li3O": 1.0}, "energy": -0.2, "chemical_potentials": {"Li": 0.2, "O": -1.4}},
            "an entry lies below the chemical potentials",
        ),
        ({"shares": {"LiO": 1.0}, "energy": -1.0}, "do not make up the composition"),
        ({"shares": {"LiO": 0.5 + 1e-6, "Li": 0.5 - 1e-6}}, "do not make up the composition"),
        ({"energy": float("nan")}, "do not make up the energy"),
        (
            {"shares": {"Li": 1.125, "O2": 0.375, "Li3O": -0.5}, "energy": 0.1},
            "a share is negative",
        ),
    ],
)
def test_a_tampered_mixture_fails_its_certificate(binary, change, fault):
    mixture = binary.mixture(fractions("Li3O"))
    binary.verify(mixture, fractions("Li3O"))
    with pytest.raises(CertificateError, match=f"Li-O at .*{fault}"):
        binary.verify(replace(mixture, **change), fractions("Li3O"))


def test_a_wrong_answer_of_the_solver_is_noticed(binary, monkeypatch):
    def wrong(costs, table, target):
        return np.array([0.75, 0.25, 0.0, 0.0]), np.zeros(2)

    monkeypatch.setattr("sunflow.evaluation.hull_system._program", wrong)
    with pytest.raises(CertificateError, match="an entry lies below the chemical potentials"):
        binary.mixture(fractions("Li3O"))
