"""What the relaxer takes for granted about energies, forces and stresses, for every potential."""

from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluating import evaluated, shaken_together
from fake_calculators import UNKNOWN

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.known_energies import CRYSTALS
from sunflow.relaxation.potential import Evaluator, Potential, load_potential
from sunflow.relaxation.screening import why_not

CPU = torch.device("cpu")
TENSORNET = Path(__file__).parents[2].parent / "shared/data/matgl/TensorNet-MatPES-PBE-v2025.1-PES"
LENNARD_JONES = {"sigma": 2.0, "epsilon": 0.1, "rc": 6.0, "smooth": True}
POTENTIALS = {
    "lennard_jones": ("fake_calculators.FussyLennardJones", LENNARD_JONES),
    "chgnet": ("chgnet", {}),
    "tensornet": ("tensornet", {"weights": str(TENSORNET)}),
}
REFUSED = {
    "lennard_jones": Crystal("unknown", 4 * np.eye(3), np.zeros((1, 3)), np.array([UNKNOWN])),
    "chgnet": Crystal("alone", 30 * np.eye(3), np.zeros((1, 3)), np.array([18])),
    "tensornet": Crystal("alone", 30 * np.eye(3), np.zeros((1, 3)), np.array([18])),
}
needs_tensornet = pytest.mark.skipif(
    not TENSORNET.is_dir() or find_spec("matgl") is None, reason="needs ../shared/data/matgl and matgl"
)
ALL = ["lennard_jones", "chgnet", pytest.param("tensornet", marks=[needs_tensornet, pytest.mark.slow])]
ROUNDING = {"energy": 3e-6, "force": 5e-5, "stress": 1e-6}
"""eV/atom, eV/Å and eV/Å³, of networks in single precision."""


@pytest.fixture(scope="module", params=ALL)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def potential(name):
    return load_potential(*POTENTIALS[name])


@pytest.fixture(scope="module")
def evaluator(potential):
    return potential.evaluator(CPU)


@pytest.fixture(scope="module")
def smooth(name, potential):
    """An evaluator for finite differences, and their step.

    CHGNet's energy jumps a little where a bond grows out of the cutoff of angles, so that its steps must be tiny.
    """
    evaluator = potential.evaluator(CPU)
    if name != "chgnet":
        return evaluator, 0.004
    evaluator.network.double()
    return evaluator, 1e-4


@pytest.fixture
def crystals():
    return shaken_together(CRYSTALS.values(), 7)


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for values, expected, tolerance in zip(one, other, ROUNDING.values(), strict=True):
            np.testing.assert_allclose(values, expected, atol=tolerance, rtol=1e-5)


def deformed(crystal, deformation):
    return replace(crystal, lattice=crystal.lattice @ deformation)


def moved_along(crystal, way, step):
    return replace(crystal, frac_coords=crystal.frac_coords + step * way @ np.linalg.inv(crystal.lattice))


def strained_along(crystal, way, step):
    return deformed(crystal, np.eye(3) + step * way)


def slope(evaluator, at, step):
    """Derivative of the total energy to the number that `at` makes a crystal of, at 0, by central differences."""
    crystals = [at(multiple * step) for multiple in (-2, -1, 1, 2)]
    energies = [len(forces) * energy for energy, forces, _ in evaluated(evaluator, crystals)]
    return np.dot(energies, [1, -8, 8, -1]) / (12 * step)


def test_it_keeps_to_the_interface(potential, evaluator):
    assert isinstance(potential, Potential)
    assert isinstance(evaluator, Evaluator)
    assert len(potential.weights_hash) == 64
    assert evaluator.device == CPU
    assert evaluator.size(CRYSTALS["SrTiO3"]) == pytest.approx(evaluator.size(deformed(CRYSTALS["SrTiO3"], -np.eye(3))))


def test_forces_are_minus_the_derivative_of_the_energy(smooth, crystals):
    random, (evaluator, step) = np.random.default_rng(1), smooth
    for crystal, (_, forces, _) in zip(crystals, evaluated(evaluator, crystals), strict=True):
        way = random.normal(size=forces.shape)
        at = partial(moved_along, crystal, way)
        assert (forces * way).sum() == pytest.approx(-slope(evaluator, at, step), abs=2e-3, rel=2e-3)


def test_stress_is_the_derivative_of_the_energy_to_strain_over_the_volume(smooth, crystals):
    random, (evaluator, step) = np.random.default_rng(2), smooth
    for crystal, (_, _, stress) in zip(crystals, evaluated(evaluator, crystals), strict=True):
        way = random.normal(size=(3, 3))
        way = (way + way.T) / 2
        expected = slope(evaluator, partial(strained_along, crystal, way), step) / crystal.volume
        assert (stress * way).sum() == pytest.approx(expected, abs=3e-4, rel=3e-3)


def test_the_net_force_is_zero_and_the_stress_symmetric(evaluator, crystals):
    for _, forces, stress in evaluated(evaluator, crystals):
        assert np.abs(forces.sum(axis=0)).max() < ROUNDING["force"]
        np.testing.assert_array_equal(stress, stress.T)


def test_moving_atoms_by_lattice_vectors_or_all_together_changes_nothing(evaluator, crystals):
    random = np.random.default_rng(3)
    images = [
        replace(each, frac_coords=each.frac_coords + random.integers(-3, 4, (each.num_atoms, 3))) for each in crystals
    ]
    shifted = [replace(each, frac_coords=each.frac_coords + random.random(3)) for each in crystals]
    assert_same(evaluated(evaluator, images), evaluated(evaluator, crystals))
    assert_same(evaluated(evaluator, shifted), evaluated(evaluator, crystals))


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "rotation and inversion"])
def test_forces_and_stresses_turn_with_the_crystal(evaluator, crystals, sign):
    turn = sign * np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    expected = [(energy, f @ turn, turn.T @ s @ turn) for energy, f, s in evaluated(evaluator, crystals)]
    assert_same(evaluated(evaluator, [deformed(crystal, turn) for crystal in crystals]), expected)


def test_the_order_of_atoms_is_only_the_order_of_forces(evaluator, crystals):
    orders = [np.random.default_rng(5).permutation(crystal.num_atoms) for crystal in crystals]
    reordered = [
        replace(crystal, frac_coords=crystal.frac_coords[order], atomic_numbers=crystal.atomic_numbers[order])
        for crystal, order in zip(crystals, orders, strict=True)
    ]
    values = evaluated(evaluator, crystals)
    expected = [(energy, f[order], stress) for (energy, f, stress), order in zip(values, orders, strict=True)]
    assert_same(evaluated(evaluator, reordered), expected)


def test_another_choice_of_the_same_lattice_changes_nothing(evaluator, crystals):
    vectors = np.array([[1, 2, 0], [0, 1, -1], [0, 0, 1]])
    sheared = [
        replace(each, lattice=vectors @ each.lattice, frac_coords=each.frac_coords @ np.linalg.inv(vectors))
        for each in crystals
    ]
    assert_same(evaluated(evaluator, sheared), evaluated(evaluator, crystals))


def test_a_supercell_has_the_energy_per_atom_of_its_cell(evaluator, crystals):
    doubled = [
        replace(
            each,
            lattice=np.diag([2, 1, 1]) @ each.lattice,
            frac_coords=np.concatenate([each.frac_coords, each.frac_coords + np.eye(3)[0]]) / [2, 1, 1],
            atomic_numbers=np.tile(each.atomic_numbers, 2),
        )
        for each in crystals
    ]
    expected = [(energy, np.tile(f, (2, 1)), stress) for energy, f, stress in evaluated(evaluator, crystals)]
    assert_same(evaluated(evaluator, doubled), expected)


def test_the_rest_of_the_batch_does_not_matter(evaluator, crystals):
    together = evaluated(evaluator, crystals)
    assert_same(together, [evaluated(evaluator, [crystal])[0] for crystal in crystals])
    assert_same(together, evaluated(evaluator, crystals[::-1])[::-1])


def test_two_evaluators_agree(potential, evaluator, crystals):
    assert_same(evaluated(potential.evaluator(CPU), crystals), evaluated(evaluator, crystals))


def test_a_refused_crystal_leaves_the_others_alone(name, evaluator, crystals):
    geometry = Geometry.of([crystals[0], REFUSED[name], *crystals[1:]], CPU)
    for _ in range(2):
        evaluation = evaluator.evaluate(geometry)
        assert list(evaluation.refusals) == [1]
        assert evaluation.refusals[1]
        energies = np.delete(evaluation.energies.numpy() / geometry.num_atoms.numpy(), 1)
        np.testing.assert_allclose(energies, [energy for energy, _, _ in evaluated(evaluator, crystals)], atol=3e-6)
    assert list(evaluator.evaluate(Geometry.of([REFUSED[name]], CPU)).refusals) == [0]


def test_no_crystals_are_no_work(evaluator):
    evaluation = evaluator.evaluate(Geometry.of([], CPU))
    assert (len(evaluation.energies), len(evaluation.forces), len(evaluation.stresses)) == (0, 0, 0)


def test_an_unknown_element_is_turned_away_before_or_by_the_evaluator(potential, evaluator):
    unknown = Crystal("unknown", 4 * np.eye(3), np.zeros((1, 3)), np.array([UNKNOWN]))
    turned_away = why_not(unknown, potential.atomic_numbers).startswith("unsupported element: Og")
    assert turned_away or evaluator.evaluate(Geometry.of([unknown], CPU)).refusals


def test_an_evaluator_that_remembers_gives_what_a_fresh_one_gives(potential, crystals):
    random, evaluator = np.random.default_rng(6), potential.evaluator(CPU)
    geometry = Geometry.of(crystals, CPU)
    for amplitude in (0.0, 0.02, 0.02, 0.3, 0.02):
        strain = torch.tensor(np.eye(3) + amplitude / 5 * random.normal(size=(len(geometry), 3, 3)))
        positions = torch.einsum("ai,aij->aj", geometry.positions, strain[geometry.crystal_of_atom])
        positions += amplitude * torch.tensor(random.normal(size=positions.shape))
        geometry = replace(geometry, lattices=geometry.lattices @ strain, positions=positions)
        assert_agree(evaluator, potential, geometry)
    left = geometry.where(torch.tensor([True, False, True]))
    assert_agree(evaluator, potential, left)
    assert_agree(evaluator, potential, left.joined(Geometry.of(crystals[1:2], CPU)))


def assert_agree(evaluator, potential, geometry):
    ours, fresh = evaluator.evaluate(geometry), potential.evaluator(CPU).evaluate(geometry)
    assert ours.refusals == fresh.refusals == {}
    np.testing.assert_allclose(ours.energies, fresh.energies, atol=2e-5)
    np.testing.assert_allclose(ours.forces, fresh.forces, atol=ROUNDING["force"], rtol=1e-4)
    np.testing.assert_allclose(ours.stresses, fresh.stresses, atol=ROUNDING["stress"], rtol=1e-4)
