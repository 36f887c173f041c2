from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from fake_potential import (
    ARGON,
    BUG,
    EXPLODES,
    GOES_MAD,
    NOT_A_NUMBER,
    REFUSES,
    SHRINKS,
    SLOW,
    SWELLS,
    FakePotential,
)
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.relaxer import Relaxer

CPU = torch.device("cpu")
FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def relaxed(crystals, potential, **limits):
    """The crystals after relaxation, in the order in which they were given."""
    done = {crystal.crystal_id: crystal for crystal in Relaxer(potential, Limits(**limits), CPU).relax(crystals)}
    return [done[crystal.crystal_id] for crystal in crystals]


def relaxed_alone(crystal, potential, **limits):
    return relaxed([crystal], potential, **limits)[0]


@pytest.fixture(scope="module")
def chgnet():
    return load_potential("chgnet")


def structure(spacegroup, lattice, species, coords):
    return Structure.from_spacegroup(spacegroup, lattice, species, coords).get_primitive_structure()


ROCK_SALT = structure("Fm-3m", Lattice.cubic(5.69), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
PEROVSKITE = structure("Pm-3m", Lattice.cubic(3.95), ["Sr", "Ti", "O"], [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]])
RUTILE = structure("P4_2/mnm", Lattice.tetragonal(4.65, 2.97), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]])
STRUCTURES = [ROCK_SALT, PEROVSKITE, RUTILE]


def perturbed(given, seed=0, name="moved"):
    """The structure strained by some percent, with atoms moved by 0.1 Å."""
    random = np.random.default_rng(seed)
    crystal = from_structure(name, given)
    lattice = crystal.lattice @ (np.eye(3) + np.diag(0.05 * random.normal(size=3)))
    moves = 0.06 * random.normal(size=(crystal.num_atoms, 3)) @ np.linalg.inv(lattice)
    return replace(crystal, lattice=lattice, frac_coords=np.mod(crystal.frac_coords + moves, 1.0))


def argon(numbers=(ARGON,) * 4, edge=5.6, name="argon", seed=None):
    moves = 0 if seed is None else 0.02 * np.random.default_rng(seed).normal(size=(4, 3))
    return Crystal(name, edge * np.eye(3), np.mod(FCC + moves, 1.0), np.array(numbers))


def gases(count=6):
    """Argon crystals that need different numbers of steps."""
    return [argon(edge=5.2 + 0.12 * n, name=f"argon-{n}", seed=n) for n in range(count)]


@pytest.mark.parametrize("given", STRUCTURES, ids=lambda given: given.reduced_formula)
def test_a_crystal_finds_back_to_its_volume_and_energy(chgnet, given):
    ideal, moved = relaxed([from_structure("ideal", given), perturbed(given)], chgnet)
    assert ideal.status == moved.status == "ok"
    assert moved.volume == pytest.approx(ideal.volume, rel=0.01)
    assert moved.volume == pytest.approx(given.volume, rel=0.06)
    assert moved.properties["energy_per_atom"] == pytest.approx(ideal.properties["energy_per_atom"], abs=1e-3)
    assert ideal.properties["space_group"] == ideal.properties["space_group_initial"]
    assert moved.properties["space_group_initial"] < ideal.properties["space_group_initial"]


@pytest.mark.parametrize("optimizer", ["lbfgs", "fire"])
def test_energies_agree_with_the_relaxer_of_the_package(chgnet, optimizer):
    from chgnet.model import StructOptimizer

    crystals = [perturbed(given, seed=1, name=str(n)) for n, given in enumerate(STRUCTURES)]
    for crystal, ours in zip(crystals, relaxed(crystals, chgnet, optimizer=optimizer), strict=True):
        theirs = StructOptimizer(use_device="cpu").relax(to_structure(crystal), fmax=0.02, steps=500, verbose=False)
        energy = theirs["trajectory"].energies[-1] / crystal.num_atoms
        assert ours.properties["energy_per_atom"] == pytest.approx(energy, abs=0.002)


def test_what_is_told_is_true_of_the_returned_structure(chgnet):
    given = perturbed(RUTILE)
    end = relaxed_alone(given, chgnet)
    again = relaxed_alone(replace(end, properties={}), chgnet)
    start = relaxed_alone(given, chgnet, max_steps=0)
    told = end.properties
    assert told["energy_per_atom"] == pytest.approx(again.properties["initial_energy_per_atom"], abs=1e-5)
    assert told["initial_energy_per_atom"] == pytest.approx(start.properties["energy_per_atom"], abs=1e-6)
    assert told["max_force"] == pytest.approx(again.properties["max_force"], abs=1e-4)
    assert told["max_stress"] == pytest.approx(again.properties["max_stress"], abs=1e-3)
    assert told["volume_change"] == pytest.approx(end.volume / given.volume - 1)
    assert 0 < told["max_force"] <= 0.02 < start.properties["max_force"]
    assert 0.01 < told["rmsd"] < 0.3
    assert (told["attempts"], again.properties["steps"]) == (1, 0)
    assert again.properties["rmsd"] == pytest.approx(0, abs=1e-12)
    assert ((end.frac_coords >= 0) & (end.frac_coords < 1)).all()


def test_the_cell_counts_as_much_as_the_atoms(chgnet):
    squeezed = from_structure("squeezed", ROCK_SALT.copy().apply_strain(-0.05, inplace=False))
    assert relaxed_alone(squeezed, chgnet, max_steps=0).properties["max_force"] > 0.1  # atoms feel none, by symmetry
    assert relaxed_alone(squeezed, chgnet).properties["steps"] > 0


def test_left_handed_cells_are_no_different(chgnet):
    crystal = perturbed(RUTILE)
    mirrored = replace(crystal, crystal_id="mirrored", lattice=crystal.lattice @ np.diag([1.0, 1.0, -1.0]))
    energies = [each.properties["energy_per_atom"] for each in relaxed([crystal, mirrored], chgnet)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-5)


@pytest.mark.parametrize("poison", [NOT_A_NUMBER, EXPLODES, REFUSES, GOES_MAD])
def test_a_poisoned_member_changes_nothing_for_the_others(poison):
    crystals = gases()
    alone = [relaxed_alone(crystal, FakePotential(), max_force=1e-3) for crystal in crystals]
    poisoned = argon((ARGON, ARGON, ARGON, poison), name="poisoned")
    *others, bad = relaxed([*crystals, poisoned], FakePotential(), max_force=1e-3)
    assert bad.status != "ok"
    assert len({crystal.properties["steps"] for crystal in others}) > 2
    for ours, theirs in zip(others, alone, strict=True):
        assert ours.status == theirs.status == "ok"
        assert ours.properties["energy_per_atom"] == pytest.approx(theirs.properties["energy_per_atom"], abs=1e-9)
        assert ours.properties["steps"] == theirs.properties["steps"]


def test_a_batch_with_a_poisoned_member_gives_the_results_of_solo_runs(chgnet):
    crystals = [perturbed(given, seed=2, name=str(n)) for n, given in enumerate(STRUCTURES)]
    squeezed = from_structure("poison", RUTILE.copy().apply_strain(-0.35, inplace=False))
    *others, bad = relaxed([*crystals, squeezed], chgnet, max_steps=40)
    assert bad.status == "not_converged"
    for ours, crystal in zip(others, crystals, strict=True):
        solo = relaxed_alone(crystal, chgnet).properties["energy_per_atom"]
        assert ours.properties["energy_per_atom"] == pytest.approx(solo, abs=1e-5)


def test_finished_crystals_leave_and_waiting_ones_enter():
    relaxer = Relaxer(FakePotential(), Limits(max_force=1e-3), CPU)
    relaxer.capacity.bonds = 3 * 400.0
    done = list(relaxer.relax(gases(8)))
    assert [crystal.status for crystal in done] == ["ok"] * 8
    sizes = [len(batch) for batch in relaxer.evaluator.batches]
    assert max(sizes) == 3
    assert len(sizes) < sum(crystal.properties["steps"] + 1 for crystal in done) * 0.6
    assert sizes == sorted(sizes, reverse=True)


def test_out_of_memory_halves_the_batch_and_loses_nothing(caplog):
    crystals = gases()
    whole = relaxed(crystals, FakePotential(), max_force=1e-3)
    relaxer = Relaxer(FakePotential(most_atoms=10), Limits(max_force=1e-3), CPU)
    done = {crystal.crystal_id: crystal for crystal in relaxer.relax(crystals)}
    assert "out of memory with 6 crystals at once" in caplog.text
    assert max(len(batch) for batch in relaxer.evaluator.batches[5:]) <= 2
    for crystal in whole:
        ours = done[crystal.crystal_id]
        assert ours.status == "ok"
        assert ours.properties["energy_per_atom"] == pytest.approx(crystal.properties["energy_per_atom"], abs=1e-5)


def test_memory_that_runs_out_on_the_way_keeps_the_way_that_was_gone():
    relaxer = Relaxer(FakePotential(), Limits(max_force=1e-3), CPU)
    evaluate = relaxer.evaluator.evaluate

    def fails_once(geometry):
        if len(relaxer.evaluator.batches) == 3 and len(geometry) > 1:
            relaxer.evaluator.batches.append([])
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return evaluate(geometry)

    relaxer.evaluator.evaluate = fails_once
    done = list(relaxer.relax(gases(4)))
    assert [crystal.status for crystal in done] == ["ok"] * 4
    assert all(crystal.properties["steps"] > 3 for crystal in done)


def test_a_crystal_that_does_not_fit_onto_a_gpu_alone_goes_to_the_cpu(caplog):
    potential = FakePotential(most_atoms=3)
    relaxer = Relaxer(potential, Limits(max_force=1e-3), CPU)
    relaxer.device, potential.most_atoms = torch.device("cuda"), 100
    assert [crystal.status for crystal in relaxer.relax(gases(2))] == ["ok", "ok"]
    assert "argon-1: it goes to the CPU" in caplog.text


def test_a_crystal_for_which_there_is_no_memory_at_all_fails():
    done = relaxed(gases(2), FakePotential(most_atoms=3))
    assert [(crystal.status, crystal.reason) for crystal in done] == [("failed", "out of memory")] * 2


def test_a_crystal_that_went_astray_is_tried_again_with_smaller_steps():
    crystals = gases(3)
    relaxer = Relaxer(FakePotential(), Limits(max_force=1e-3), CPU)
    evaluate, seen = relaxer.evaluator.evaluate, []

    def explodes_once(geometry):
        seen.append(geometry)
        evaluation = evaluate(geometry)
        if len(seen) == 4:
            evaluation.energies[1] = 1e9
        return evaluation

    relaxer.evaluator.evaluate = explodes_once
    done = {crystal.crystal_id: crystal for crystal in relaxer.relax(crystals)}
    attempts = [done[crystal.crystal_id].properties["attempts"] for crystal in crystals]
    assert (attempts, len(seen[-1])) == ([1, 2, 1], 1)
    assert all(crystal.status == "ok" for crystal in done.values())
    steps = [(one.positions - other.positions).norm(dim=1).max() for one, other in pairwise(seen[-5:])]
    assert max(steps) <= 0.021
    alone = relaxed_alone(crystals[1], FakePotential(), max_force=1e-3)
    energy = done[crystals[1].crystal_id].properties["energy_per_atom"]
    assert energy == pytest.approx(alone.properties["energy_per_atom"], abs=1e-5)


def test_a_crystal_that_goes_astray_twice_fails():
    mad = relaxed_alone(argon((ARGON, ARGON, ARGON, EXPLODES)), FakePotential())
    assert (mad.status, mad.properties["attempts"]) == ("failed", 2)


@pytest.mark.parametrize("kind", [SWELLS, SHRINKS])
def test_cells_that_explode_or_collapse_on_the_way_fail(kind):
    others = gases(2)
    alone = relaxed(others, FakePotential(), max_force=1e-3)
    *rest, end = relaxed([*others, argon((kind,) * 4)], FakePotential(), max_force=1e-3)
    assert (end.status, end.properties["attempts"]) == ("failed", 2)
    assert end.reason.startswith("numerical failure: absurd cell" if kind == SWELLS else "numerical failure: 1.")
    assert end.properties["steps"] > 3
    for ours, theirs in zip(rest, alone, strict=True):
        assert ours.properties["energy_per_atom"] == pytest.approx(theirs.properties["energy_per_atom"], abs=1e-9)


@pytest.mark.parametrize("max_steps", [0, 1, 3])
def test_the_step_limit_leaves_a_crystal_unconverged(max_steps):
    end = relaxed_alone(argon(edge=5.0), FakePotential(), max_force=1e-6, max_steps=max_steps)
    assert end.status == "not_converged"
    assert end.reason.startswith("step limit: forces of")
    assert end.properties["steps"] == max_steps
    assert end.properties["max_force"] > 1e-6


def test_the_time_out_leaves_a_crystal_unconverged():
    crystal = argon((ARGON, ARGON, ARGON, SLOW), edge=5.0)
    end = relaxed_alone(crystal, FakePotential(), max_force=1e-12, max_steps=10_000, timeout=0.2)
    assert end.status == "not_converged"
    assert end.reason.startswith("time-out: forces of")
    assert 0 < end.properties["steps"] < 20


def test_an_already_relaxed_crystal_is_ok_even_out_of_time():
    end = relaxed_alone(argon(), FakePotential(), max_force=100.0, max_steps=0, timeout=0.0)
    assert (end.status, end.properties["steps"]) == ("ok", 0)


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
def test_what_cannot_be_relaxed_fails_with_its_reason(crystal, reason):
    end = relaxed_alone(crystal, FakePotential())
    assert (end.status, end.crystal_id) == ("failed", crystal.crystal_id)
    assert end.reason.startswith(reason)
    assert "energy_per_atom" not in end.properties


def test_overlapping_atoms_can_be_pushed_apart_first(chgnet):
    crystal = from_structure("overlapping", ROCK_SALT)
    overlapping = replace(crystal, frac_coords=crystal.frac_coords[:1] + np.array([[0.0], [0.03]]))
    assert relaxed_alone(overlapping, chgnet).reason.startswith("overlapping atoms: 0.30 Å")
    end = relaxed_alone(overlapping, chgnet, overlaps="push_apart")
    whole = relaxed_alone(crystal, chgnet)
    assert end.status == "ok"
    assert end.properties["energy_per_atom"] == pytest.approx(whole.properties["energy_per_atom"], abs=0.3)


def test_a_trajectory_is_thinned_and_leads_to_the_end():
    *frames, end = Relaxer(FakePotential(), Limits(max_force=1e-3, trajectory_interval=3), CPU).relax([gases()[0]])
    steps = [frame.properties["steps"] for frame in frames]
    assert steps == list(range(0, end.properties["steps"] + 1, 3))
    assert {frame.properties["frame_of"] for frame in frames} == {end.crystal_id}
    energies = [frame.properties["energy_per_atom"] for frame in frames]
    assert energies[0] == pytest.approx(end.properties["initial_energy_per_atom"])
    assert energies[-1] < energies[0]


def test_a_crystal_that_falls_into_a_hole_of_the_network_fails(chgnet):
    """Squeezed crystals were seen at -28 eV/atom, where they would have been called stable."""
    relaxer = Relaxer(chgnet, Limits(), CPU)
    network = relaxer.evaluator.network
    relaxer.evaluator.network = lambda *arguments: network(*arguments) - 20.0
    (end,) = relaxer.relax([from_structure("fallen", ROCK_SALT)])
    assert end.status == "failed"
    assert end.reason == "energy collapse: -23.67 eV/atom, lower than any crystal's"


@pytest.mark.parametrize("number", [55, 86])
def test_isolated_atoms_fail(chgnet, number):
    gas = Crystal("gas", 7.0 * np.eye(3), np.zeros((1, 3)), np.array([number]))
    assert relaxed_alone(gas, chgnet).reason == "isolated atoms: 1 of 1 have no neighbour within 6 Å"


def test_bugs_are_not_hidden():
    with pytest.raises(KeyError, match="a bug"):
        relaxed_alone(argon((BUG,) * 4), FakePotential())
