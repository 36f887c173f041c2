import numpy as np
import pytest
from ase.data import chemical_symbols

from sunflow.relaxation.elements import GROUND_STATES, elemental_crystals
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.prototypes import prototypes
from sunflow.relaxation.relaxer import relax_crystal
from sunflow.relaxation.screening import nearest_distance, why_not


@pytest.fixture(scope="module")
def chgnet():
    return load_potential("chgnet")


@pytest.mark.parametrize("number", range(1, 95))
def test_every_element_has_a_few_sane_candidates(number):
    candidates = elemental_crystals(chemical_symbols[number])
    assert 3 <= len(candidates) <= 8
    assert len({crystal.crystal_id for crystal in candidates}) == len(candidates)
    for crystal in candidates:
        assert set(crystal.atomic_numbers.tolist()) == {number}
        assert why_not(crystal, frozenset({number})) == ""


def test_structure_types_exist():
    assert {name for names in GROUND_STATES.values() for name in names} <= prototypes().keys()


@pytest.mark.parametrize(
    ("symbol", "structure_type", "volume"),
    [("Si", "A_cF8_227_a-C", 20.4), ("Mg", "A_hP2_194_c-Mg", 23.0), ("Al", "A_cF4_225_a-Cu", 16.5)],
)
def test_the_lowest_candidate_is_the_known_ground_state(chgnet, symbol, structure_type, volume):
    relaxed = [relax_crystal(crystal, chgnet, 0.02, 500, 600.0) for crystal in elemental_crystals(symbol)]
    lowest = min(relaxed, key=lambda crystal: crystal.properties["energy_per_atom"])
    assert lowest.crystal_id == f"{symbol}-{structure_type}"
    assert lowest.volume / lowest.num_atoms == pytest.approx(volume, rel=0.03)


@pytest.mark.parametrize(("symbol", "bond_length"), [("O", 1.23), ("Cl", 2.0), ("N", 1.11)])
def test_molecular_solids_keep_their_molecules(chgnet, symbol, bond_length):
    relaxed = [relax_crystal(crystal, chgnet, 0.05, 500, 600.0) for crystal in elemental_crystals(symbol)]
    lowest = min(
        (crystal for crystal in relaxed if crystal.status != "failed"),
        key=lambda crystal: crystal.properties["energy_per_atom"],
    )
    assert nearest_distance(lowest.frac_coords, lowest.lattice, 5.0) == pytest.approx(bond_length, abs=0.1)
    assert np.isfinite(lowest.properties["energy_per_atom"])
