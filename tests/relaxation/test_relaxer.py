from dataclasses import replace

import numpy as np
import pytest
from fake_potential import ARGON, EXPLODES, NOT_A_NUMBER, REFUSES, SLOW, FakePotential
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import relax_crystal, single_point

SETTINGS = {"max_force": 0.02, "max_steps": 500, "timeout": 600.0}


@pytest.fixture(scope="module")
def chgnet():
    return load_potential("chgnet")


def structure(spacegroup, lattice, species, coords):
    return Structure.from_spacegroup(spacegroup, lattice, species, coords).get_primitive_structure()


ROCK_SALT = structure("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
PEROVSKITE = structure("Pm-3m", Lattice.cubic(3.95), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]])
RUTILE = structure("P4_2/mnm", Lattice.tetragonal(4.65, 2.97), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]])


def perturbed(given, seed=0):
    """The structure strained by some percent, with atoms moved by 0.1 Å."""
    moved = given.copy()
    moved.perturb(0.1)
    moved.apply_strain(0.05 * np.random.default_rng(seed).normal(size=3))
    return from_structure("moved", moved)


def argon(numbers=(ARGON,) * 4, edge=5.6):
    fcc = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystal("argon", edge * np.eye(3), np.array(fcc), np.array(numbers))


@pytest.mark.parametrize("given", [ROCK_SALT, PEROVSKITE, RUTILE], ids=lambda given: given.reduced_formula)
def test_a_crystal_finds_back_to_its_volume_and_energy(chgnet, given):
    ideal = relax_crystal(from_structure("ideal", given), chgnet, **SETTINGS)
    relaxed = relax_crystal(perturbed(given), chgnet, **SETTINGS)
    assert ideal.status == relaxed.status == "ok"
    assert relaxed.volume == pytest.approx(ideal.volume, rel=0.01)
    assert relaxed.volume == pytest.approx(given.volume, rel=0.06)
    assert relaxed.properties["energy_per_atom"] == pytest.approx(ideal.properties["energy_per_atom"], abs=1e-3)


@pytest.mark.parametrize("given", [ROCK_SALT, PEROVSKITE, RUTILE], ids=lambda given: given.reduced_formula)
def test_energies_agree_with_the_relaxer_of_the_package(chgnet, given):
    from chgnet.model import StructOptimizer

    crystal = perturbed(given, seed=1)
    ours = relax_crystal(crystal, chgnet, **{**SETTINGS, "max_force": 0.05})
    theirs = StructOptimizer(use_device="cpu").relax(to_structure(crystal), fmax=0.05, steps=500, verbose=False)
    assert ours.properties["energy_per_atom"] == pytest.approx(
        theirs["trajectory"].energies[-1] / crystal.num_atoms, abs=0.005
    )


def test_the_reported_energy_and_force_are_those_of_the_returned_structure(chgnet):
    relaxed = relax_crystal(perturbed(RUTILE), chgnet, **SETTINGS)
    again = single_point(replace(relaxed, properties={}), chgnet)
    assert relaxed.properties == {**again.properties, "steps": relaxed.properties["steps"]}
    assert 0 < relaxed.properties["max_force"] <= 0.02
    assert ((relaxed.frac_coords >= 0) & (relaxed.frac_coords < 1)).all()


def test_a_relaxed_crystal_stays_where_it_is(chgnet):
    once = relax_crystal(perturbed(ROCK_SALT), chgnet, **SETTINGS)
    twice = relax_crystal(once, chgnet, **SETTINGS)
    assert twice.properties["steps"] == 0
    np.testing.assert_array_equal(once.lattice, twice.lattice)


def test_the_cell_counts_as_much_as_the_atoms(chgnet):
    squeezed = from_structure("squeezed", ROCK_SALT.copy().apply_strain(-0.05, inplace=False))
    point = single_point(squeezed, chgnet)
    assert point.properties["max_force"] > 0.1  # the atoms feel nothing, by symmetry
    assert relax_crystal(squeezed, chgnet, **SETTINGS).properties["steps"] > 0


def test_left_handed_cells_are_no_different(chgnet):
    crystal = perturbed(RUTILE)
    mirrored = replace(crystal, lattice=crystal.lattice @ np.diag([1.0, 1.0, -1.0]))
    assert np.sign(np.linalg.det(crystal.lattice)) != np.sign(np.linalg.det(mirrored.lattice))
    energies = [relax_crystal(each, chgnet, **SETTINGS).properties["energy_per_atom"] for each in (crystal, mirrored)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)


@pytest.mark.parametrize("max_steps", [0, 1, 3])
def test_the_step_limit_leaves_a_crystal_unconverged(max_steps):
    crystal = argon(edge=5.0)
    relaxed = relax_crystal(crystal, FakePotential(), max_force=0.001, max_steps=max_steps, timeout=60.0)
    assert relaxed.status == "not_converged"
    assert relaxed.reason.startswith("step limit: forces of")
    assert relaxed.properties["steps"] == max_steps
    assert relaxed.properties["max_force"] > 0.001


def test_the_time_out_leaves_a_crystal_unconverged():
    crystal = argon((ARGON, ARGON, ARGON, SLOW), edge=5.0)
    relaxed = relax_crystal(crystal, FakePotential(), max_force=1e-9, max_steps=10_000, timeout=0.2)
    assert relaxed.status == "not_converged"
    assert relaxed.reason.startswith("time-out: forces of")
    assert 0 < relaxed.properties["steps"] < 20


def test_an_already_relaxed_crystal_is_ok_even_out_of_time():
    relaxed = relax_crystal(argon(), FakePotential(), max_force=100.0, max_steps=0, timeout=0.0)
    assert (relaxed.status, relaxed.properties["steps"]) == ("ok", 0)


@pytest.mark.parametrize(
    ("crystal", "reason"),
    [
        (argon((ARGON, ARGON, ARGON, 1)), "unsupported element: H"),
        (argon((ARGON, ARGON, ARGON, REFUSES)), "isolated atoms"),
        (argon((ARGON, ARGON, ARGON, NOT_A_NUMBER)), "numerical failure"),
        (argon((ARGON, ARGON, ARGON, EXPLODES)), "numerical failure: 2.5e+08 eV/atom"),
        (argon(edge=0.6), "absurd cell"),
        (replace(argon(), frac_coords=np.zeros((4, 3))), "overlapping atoms: 0.00 Å"),
        (Crystal.failure("x", "not generated"), "not generated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("judge", [relax_crystal, single_point])
def test_what_cannot_be_relaxed_fails_with_its_reason(crystal, reason, judge):
    settings = SETTINGS if judge is relax_crystal else {}
    judged = judge(crystal, FakePotential(), **settings)
    assert judged.status == "failed"
    assert judged.reason.startswith(reason)
    assert judged.properties == {}
    assert judged.crystal_id == crystal.crystal_id


def test_a_crystal_that_explodes_on_the_way_fails():
    """Lennard-Jones atoms at half their distance are thrown hundreds of Å apart."""
    crystal = replace(argon(edge=2.2), atomic_numbers=np.array([ARGON] * 4))
    relaxed = relax_crystal(crystal, FakePotential(), **SETTINGS)
    assert relaxed.status == "failed"
    assert relaxed.reason.startswith("numerical failure")


@pytest.mark.parametrize("number", [55, 86])
def test_isolated_atoms_fail(chgnet, number):
    gas = Crystal("gas", 7.0 * np.eye(3), np.zeros((1, 3)), np.array([number]))
    assert single_point(gas, chgnet).reason == "isolated atoms: 1 of 1 have no neighbour within 6 Å"


def test_bugs_are_not_hidden():
    from fake_potential import BUG

    with pytest.raises(KeyError, match="a bug"):
        relax_crystal(argon((BUG,) * 4), FakePotential(), **SETTINGS)
