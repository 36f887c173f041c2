import numpy as np
import pytest
import torch
from ase.data import chemical_symbols

from sunflow.relaxation.elements import CLOSE_PACKED, GROUND_STATES, elemental_crystals
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.prototypes import prototypes
from sunflow.relaxation.relaxer import Relaxer
from sunflow.relaxation.screening import nearest_distance, why_not


@pytest.mark.parametrize("number", range(1, 95))
def test_every_element_has_a_few_sane_candidates(number):
    candidates = elemental_crystals(chemical_symbols[number])
    assert 3 <= len(candidates) <= 8
    assert len({crystal.crystal_id for crystal in candidates}) == len(candidates)
    for crystal in candidates:
        assert set(crystal.atomic_numbers.tolist()) == {number}
        assert why_not(crystal, frozenset({number})) == ""


def test_structure_types_exist():
    assert {*CLOSE_PACKED, *(name for names in GROUND_STATES.values() for name in names)} <= prototypes().keys()


@pytest.mark.parametrize(("symbol", "volume"), [("Al", 16.6), ("Fe", 11.8), ("Si", 20.0), ("Cs", 118.0)])
def test_candidates_begin_at_about_the_volume_of_the_element(symbol, volume):
    for crystal in elemental_crystals(symbol):
        assert crystal.volume / crystal.num_atoms == pytest.approx(volume, rel=0.05)


@pytest.mark.parametrize(
    ("symbol", "structure_type"), [("La", "A_hP4_194_ac-La"), ("U", "A_oC4_63_c-U"), ("Fe", "A_cI2_229_a-W")]
)
def test_known_ground_states_are_among_the_candidates(symbol, structure_type):
    assert f"{symbol}-{structure_type}" in [crystal.crystal_id for crystal in elemental_crystals(symbol)]


@pytest.fixture(scope="module")
def relaxer():
    return Relaxer(load_potential("chgnet"), Limits(), torch.device("cpu"))


def lowest(relaxer, symbol):
    relaxed = [crystal for crystal in relaxer.relax(elemental_crystals(symbol)) if crystal.status == "ok"]
    return min(relaxed, key=lambda crystal: crystal.properties["energy_per_atom"])


@pytest.mark.parametrize(
    ("symbol", "structure_type", "volume"),
    [("Si", "A_cF8_227_a-C", 20.4), ("Mg", "A_hP2_194_c-Mg", 23.0), ("Al", "A_cF4_225_a-Cu", 16.5)],
)
def test_the_lowest_candidate_is_the_known_ground_state(relaxer, symbol, structure_type, volume):
    found = lowest(relaxer, symbol)
    assert found.crystal_id == f"{symbol}-{structure_type}"
    assert found.volume / found.num_atoms == pytest.approx(volume, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("symbol", "bond_length"), [("O", 1.23), ("Cl", 2.0), ("N", 1.11)])
def test_molecular_solids_keep_their_molecules(relaxer, symbol, bond_length):
    found = lowest(relaxer, symbol)
    assert nearest_distance(found.frac_coords, found.lattice, 5.0) == pytest.approx(bond_length, abs=0.1)
    assert np.isfinite(found.properties["energy_per_atom"])
