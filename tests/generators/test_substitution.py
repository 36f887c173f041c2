"""Ion exchange: pymatgen's model is the oracle."""

from collections import Counter

import numpy as np
import pytest
import spglib
import torch
from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionPredictor
from pymatgen.core import Lattice, Species, Structure

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.elements import SYMBOLS
from sunflow.crystals.structures import from_structure, reduced_formula
from sunflow.generators.generator import Condition, build
from sunflow.generators.memory import UnmadeError
from sunflow.generators.substitution import THRESHOLD, exchanged, known_ions, oxidation_states, rescaled

CELLS = {
    "Fm-3m": (4.2, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "Pm-3m": (3.9, ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]),
    "P6_3mc": (Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]),
    "P4_2/mnm": (Lattice.tetragonal(4.6, 2.95), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]),
}
EVERYTHING = np.ones(230, dtype=bool)


def template(group):
    cell, species, coords = CELLS[group]
    lattice = cell if isinstance(cell, Lattice) else Lattice.cubic(cell)
    structure = Structure.from_spacegroup(group, lattice, species, coords).get_primitive_structure()
    return from_structure(group, structure)


def exchanges(group, num=30):
    old = template(group)
    return old, [exchanged(old, EVERYTHING, np.random.default_rng(seed)) for seed in range(num)]


def sites(crystal):
    dataset = spglib.get_symmetry_dataset((crystal.lattice, crystal.frac_coords, crystal.atomic_numbers))
    return dataset.number, Counter(dataset.wyckoffs), len(set(dataset.equivalent_atoms))


@pytest.mark.parametrize("group", CELLS)
def test_the_structure_type_stays_and_the_composition_does_not(group):
    old, made = exchanges(group)
    assert len({tuple(new.atomic_numbers) for new in made}) > 3
    for new in made:
        assert sites(new) == sites(old)
        np.testing.assert_array_equal(new.frac_coords, old.frac_coords)
        assert sorted(new.atomic_numbers) != sorted(old.atomic_numbers)


@pytest.mark.parametrize("group", CELLS)
def test_every_exchange_is_one_that_pymatgen_predicts(group):
    """Its predictor, asked for what becomes of the old ions, gives the new ones: balanced, and above its threshold."""
    old, made = exchanges(group)
    charges = oxidation_states(reduced_formula(old))
    ions = {z: Species(SYMBOLS[z - 1], charge) for z, charge in charges.items()}
    amounts = {ions[z]: count for z, count in Counter(old.atomic_numbers.tolist()).items()}
    predicted = SubstitutionPredictor(threshold=THRESHOLD).composition_prediction(amounts, to_this_composition=True)
    allowed = {
        frozenset((old_ion.Z, new_ion.Z) for new_ion, old_ion in each["substitutions"].items()) for each in predicted
    }
    for new in made:
        assert frozenset(zip(old.atomic_numbers.tolist(), new.atomic_numbers.tolist(), strict=True)) in allowed


def test_likelier_exchanges_are_made_more_often():
    """Of magnesium oxide's exchanges each comes as often as its share of the probability of all says."""
    old = template("Fm-3m")
    rng = np.random.default_rng(0)
    seen = Counter(tuple(exchanged(old, EVERYTHING, rng).atomic_numbers) for _ in range(1500))
    table = known_ions()
    rows = [table.probabilities[table.places[ion]] for ion in ((12, 2), (8, -2))]
    if old.atomic_numbers[0] == 8:
        rows.reverse()
    joint = np.outer(*rows)
    balanced = table.charges[:, None] + table.charges == 0
    expected = Counter()
    for first, second in zip(*np.nonzero(balanced & (joint > THRESHOLD)), strict=True):
        pair = (int(table.elements[first]), int(table.elements[second]))
        if set(pair) != {8, 12} and len(set(pair)) == 2:
            expected[pair] += joint[first, second]
    assert set(seen) <= set(expected)
    for pair, share in expected.items():
        mean = 1500 * share / expected.total()
        assert abs(seen[pair] - mean) < 5 * np.sqrt(mean) + 1


def test_rows_are_probabilities_of_new_ions():
    table = known_ions()
    np.testing.assert_allclose(table.probabilities.sum(1), 1)
    model = SubstitutionPredictor().p
    old, new = table.places[(11, 1)], table.places[(19, 1)]
    assert table.probabilities[old, new] == model.cond_prob(Species("K", 1), Species("Na", 1))


@pytest.mark.parametrize(
    ("formula", "states"),
    [
        ("MgO", {12: 2, 8: -2}),
        ("SrTiO3", {38: 2, 22: 4, 8: -2}),
        ("Fe3O4", {}),
        ("LaNi5", {}),
        ("Fe", {26: 0}),
        ("Mn12Si7O50", {}),
    ],
)
def test_oxidation_states(formula, states):
    assert oxidation_states(formula) == states


@pytest.mark.parametrize("group", CELLS)
def test_volumes_of_known_crystals_are_predicted(group):
    """From a cell of half of the volume as from the true one, and the shape stays."""
    known = template(group)
    for scale in (0.8, 1.0):
        strained = from_structure(
            "a", Structure(Lattice(known.lattice * scale), known.atomic_numbers, known.frac_coords)
        )
        made = rescaled(strained)
        assert 0.7 < made.volume / known.volume < 1.4
        larger = (made.volume / known.volume) ** (1 / 3)
        np.testing.assert_allclose(made.lattice, larger * known.lattice, rtol=1e-6, atol=1e-6)


def generator_of(crystals):
    statistics = {"atomic_numbers": sorted({int(z) for crystal in crystals for z in crystal.atomic_numbers})}
    generator = build("substitution", "generation", {}, statistics, None)
    generator.remember(CrystalBatch.from_crystals(crystals))
    return generator


def test_new_elements_are_those_of_the_train_split():
    generator = generator_of([template(group) for group in CELLS])
    made = generator.sample(Condition(torch.tensor([2] * 20)), range(20))
    assert not made.failures and set(made.atomic_numbers.tolist()) <= {8, 12, 22, 30, 38}


def test_crystals_without_ions_are_counted_in_the_reason():
    sodium = from_structure("sodium", Structure.from_spacegroup("Im-3m", Lattice.cubic(4.2), ["Na"], [[0, 0, 0]]))
    alone = generator_of([sodium, sodium, template("Fm-3m")]).sample(Condition(torch.tensor([2])), [3])
    told = "no ion exchange in 3 train crystals of 2 atoms: 2 of no known ions, 1 without a likely exchange"
    assert alone.failures == {0: told}
    together = generator_of([sodium, sodium, template("Fm-3m"), template("P6_3mc")])
    assert not together.sample(Condition(torch.tensor([4])), [3]).failures


def test_elements_without_ions():
    with pytest.raises(UnmadeError, match="has no ions of the elements asked for"):
        generator_of([template("Fm-3m")]).make(2, None, [2], np.random.default_rng(0))
