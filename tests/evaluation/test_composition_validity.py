"""Charge balance as CDVAE judges it."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import smact
from pymatgen.core import Composition
from smact.screening import smact_validity

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.composition_validity import composition_valid, definitions, pauling_test, reduced_counts
from sunflow.evaluation.oxidation_states import cdvae_states

KNOWN = [8, 9, 11, 12, 13, 14, 16, 17, 22, 26, 29, 33, 42, 53, 57, 82]
"""Elements for which SMACT 2.2.1 and 4 say the same."""
DIFFCSP = Path(__file__).parents[2].parent / "shared/data/generated/diffcsp_mp20_10000_samples.npz"


def composition_verdict(of_crystal, name="cdvae"):
    return definitions()[name].verdict(of_crystal)


def of(atomic_numbers):
    return Crystal("a", 5 * np.eye(3), np.zeros((len(atomic_numbers), 3)), np.array(atomic_numbers, dtype=int))


def crystal(formula):
    return of([element.Z for element, count in Composition(formula).items() for _ in range(int(count))])


@pytest.mark.parametrize(
    ("formula", "verdict"),
    [
        ("NaCl", "balanced"),
        ("Na2Cl2", "balanced"),
        ("BaTiO3", "balanced"),
        ("NaCl2", "unbalanced"),
        ("Na3Cl", "unbalanced"),
        ("NaN", "balanced"),
        ("O2", "single_element"),
        ("He", "single_element"),
        ("Cu3Au", "all_metals"),
        ("NeF", "no_oxidation_states"),
        ("RfO2", "no_oxidation_states"),
        ("VCrMnFeCoNiCuMoRuRhPdO", "too_many_combinations"),
    ],
)
def test_verdicts(formula, verdict):
    assert composition_verdict(crystal(formula)) == verdict
    assert composition_valid(crystal(formula)) is (verdict in ("balanced", "single_element", "all_metals"))


def test_nothing_is_not_valid():
    assert composition_verdict(Crystal.failure("a", "no")) == "no_atoms"
    assert not composition_valid(Crystal.failure("a", "no"))
    assert composition_verdict(of([1, 119])) == "no_oxidation_states"


def test_neither_order_nor_multiples_count():
    assert reduced_counts(of([8, 22, 56, 8, 8] * 2)) == reduced_counts(crystal("BaTiO3")) == ((8, 3), (22, 1), (56, 1))


@pytest.mark.parametrize(("name", "states"), [("cdvae", "smact14"), ("smact_default", None)])
def test_as_smact_where_every_electronegativity_is_known(name, states):
    """SMACT enumerates one combination after the other: another way to the same verdict."""
    numbers = np.random.default_rng(0)
    verdicts = []
    for _ in range(150):
        chosen = of(numbers.choice(numbers.choice(KNOWN, 4, replace=False), 7))
        formula = Composition({smact.ordered_elements(1, 103)[z - 1]: n for z, n in reduced_counts(chosen)})
        verdicts.append(composition_valid(chosen, name))
        assert verdicts[-1] == smact_validity(formula, oxidation_states_set=states), formula
    assert 20 < sum(verdicts) < 130


def test_cations_are_less_electronegative_than_anions():
    electronegativities = (0.9, 2.2, 3.0)
    for states in itertools.product((-2, 0, 1), repeat=3):
        cations = [own for own, state in zip(electronegativities, states, strict=True) if state > 0]
        anions = [own for own, state in zip(electronegativities, states, strict=True) if state < 0]
        allowed = not cations or not anions or max(cations) < min(anions)
        assert pauling_test(states, electronegativities, True) is allowed
    assert not pauling_test((1, -1), (2.0, 2.0), True)


@pytest.mark.parametrize(
    ("states", "electronegativities", "passes"),
    [
        ((-1, 3), (3.2, None), True),
        ((-1, 3, -1), (3.2, None, 2.0), True),
        ((-1, -1, 2), (3.2, None, 1.0), False),
        ((0, 3), (3.2, None), False),
        ((2, -1, -3), (2.5, 2.0, None), False),
    ],
)
def test_the_first_pair_that_decides_where_one_has_no_electronegativity(states, electronegativities, passes):
    """Opposite charges raise an error in SMACT 2.2.1, which CDVAE lets pass; like ones are refused."""
    assert pauling_test(states, electronegativities, unknown_passes=True) is passes
    assert not pauling_test(states, electronegativities, unknown_passes=False)


def test_where_the_versions_of_smact_differ():
    """One oxidation state of iridium, and the electronegativity of zirconium; all else is the list `smact14`."""
    theirs = cdvae_states()
    for symbol in smact.ordered_elements(1, 103):
        element = smact.Element(symbol)
        if symbol != "Ir":
            assert theirs.states[symbol] == tuple(element.oxidation_states_smact14 or ())
        if symbol != "Zr":
            assert theirs.electronegativities.get(symbol) == element.pauling_eneg
    assert set(theirs.states["Ir"]) ^ set(smact.Element("Ir").oxidation_states_smact14) == {-2, -3}
    assert theirs.electronegativities["Zr"] == 0.33


@pytest.mark.skipif(not DIFFCSP.exists(), reason="needs ../shared/data/generated")
@pytest.mark.parametrize(("name", "valid"), [("cdvae", 8325), ("smact_default", 8551)])
def test_ten_thousand_samples_of_diffcsp(name, valid):
    """What SMACT 2.2.1 itself finds with CDVAE's function; SMACT 4's `smact_validity` of each formula."""
    data = np.load(DIFFCSP)
    cells = np.split(data["atom_types"], np.cumsum(data["num_atoms"])[:-1])
    assert sum(composition_valid(of(cell), name) for cell in cells) == valid
