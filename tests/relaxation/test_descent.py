from dataclasses import replace

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.descent import Descent, rmsd
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.places import Place

LIMITS = Limits(max_force=0.02, max_steps=10, timeout=60.0)
ROCK_SALT = Crystal("salt", 2.8 * (np.ones((3, 3)) - np.eye(3)), np.array([[0.0] * 3, [0.5] * 3]), np.array([11, 17]))


def place(force=1.0, energy=-3.0, is_absurd=False, refusal=""):
    return Place(energy, force, 0.5, is_absurd, refusal)


def descent(steps=3, seconds=1.0, **others):
    return Descent(ROCK_SALT, ROCK_SALT, steps=steps, seconds=seconds, first_energy=-2.0, **others)


def landing(at=None, crystal=ROCK_SALT, **ours):
    return descent(**ours).landing(at or place(), crystal, LIMITS)


@pytest.mark.parametrize(
    ("ends", "at", "ours"),
    [
        (False, place(), {}),
        (False, place(force=0.0201), {"steps": 9, "seconds": 59.0}),
        (True, place(force=0.02), {}),
        (True, place(is_absurd=True), {}),
        (True, place(refusal="isolated atoms"), {}),
        (True, place(), {"steps": 10}),
        (True, place(), {"seconds": 60.1}),
    ],
)
def test_a_descent_ends_where_it_must(ends, at, ours):
    assert descent(**ours).ends_at(at, LIMITS) == ends


def test_a_converged_crystal_tells_of_its_way():
    moves = np.array([[0, 0, 0], [0.01, 0.01, 0.01]])
    end = replace(ROCK_SALT, lattice=1.1 * ROCK_SALT.lattice, frac_coords=ROCK_SALT.frac_coords + moves)
    landed = landing(place(force=0.01), end)
    assert (landed.crystal.status, landed.crystal.reason, landed.is_astray) == ("ok", "", False)
    told = landed.crystal.properties
    assert told["volume_change"] == pytest.approx(1.1**3 - 1)
    assert told["rmsd"] == pytest.approx(rmsd(ROCK_SALT, end))
    assert (told["space_group_initial"], told["space_group"]) == (225, 160)
    del told["volume_change"], told["rmsd"], told["space_group_initial"], told["space_group"]
    assert told == {
        "initial_energy_per_atom": -2.0,
        "energy_per_atom": -3.0,
        "max_force": 0.01,
        "max_stress": 0.5,
        "steps": 3,
        "attempts": 1,
    }


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        ({"steps": 10}, "step limit: forces of 1 eV/Å after 10 steps"),
        ({"seconds": 61.0}, "time-out: forces of 1 eV/Å after 3 steps"),
        ({"steps": 10, "seconds": 61.0}, "time-out: forces of 1 eV/Å after 10 steps"),
    ],
)
def test_who_runs_out_of_steps_or_time_has_not_converged(ours, reason):
    landed = landing(**ours)
    assert (landed.crystal.status, landed.crystal.reason, landed.is_astray) == ("not_converged", reason, False)
    assert landed.crystal.properties["energy_per_atom"] == -3.0


def test_who_converges_in_the_last_moment_has_converged():
    assert landing(place(force=0.01), steps=10, seconds=61.0).crystal.status == "ok"


FLAT = replace(ROCK_SALT, lattice=np.diag([0.3, 9.0, 9.0]))
NOT_A_NUMBER = replace(ROCK_SALT, lattice=np.full((3, 3), np.nan))
LOST = replace(ROCK_SALT, frac_coords=np.array([[0.0] * 3, [np.nan] * 3]))
OVERLAPPING = replace(ROCK_SALT, frac_coords=np.array([[0.0] * 3, [0.01] * 3]))


@pytest.mark.parametrize(
    ("at", "crystal", "reason"),
    [
        (place(refusal="isolated atoms"), ROCK_SALT, "numerical failure: isolated atoms"),
        (place(energy=2e6, is_absurd=True), ROCK_SALT, "numerical failure: 2e+06 eV/atom, 1 eV/Å"),
        (place(force=np.nan, is_absurd=True), ROCK_SALT, "numerical failure: -3 eV/atom, nan eV/Å"),
        (place(is_absurd=True), FLAT, "numerical failure: absurd cell: 0.3 Å between lattice planes"),
        (place(is_absurd=True), NOT_A_NUMBER, "numerical failure: absurd cell: not finite"),
        (place(force=0.01), LOST, "numerical failure: absurd positions: not finite"),
        (place(force=0.01), OVERLAPPING, "numerical failure: overlapping atoms: 0.10 Å"),
    ],
)
def test_what_is_no_crystal_any_more_fails_and_may_be_tried_again(at, crystal, reason):
    landed = landing(at, crystal)
    assert landed.is_astray
    assert landed.crystal.status == "failed"
    assert landed.crystal.reason.startswith(reason)
    np.testing.assert_array_equal(landed.crystal.frac_coords, ROCK_SALT.frac_coords)
    assert landed.crystal.properties == {"steps": 3, "attempts": 1}


def test_a_crystal_that_is_refused_at_once_is_not_tried_again():
    landed = landing(place(refusal="isolated atoms"), steps=0, attempt=2)
    assert not landed.is_astray
    assert (landed.crystal.status, landed.crystal.reason) == ("failed", "isolated atoms")
    assert landed.crystal.properties == {"steps": 0, "attempts": 2}


def test_a_frame_is_named_after_crystal_and_step():
    frame = descent(steps=12).frame(place(), replace(ROCK_SALT, lattice=np.eye(3)))
    assert frame.crystal_id == "salt/00012"
    assert frame.properties == {"frame_of": "salt", "steps": 12, "energy_per_atom": -3.0}
    np.testing.assert_array_equal(frame.lattice, np.eye(3))


SKEWED = Crystal("x", np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0.5, -1.0, 6.0]]), np.empty((0, 3)), np.empty(0))


def skewed(frac_coords, deformation=None):
    lattice = SKEWED.lattice @ (np.eye(3) if deformation is None else deformation)
    return Crystal("x", lattice, np.array(frac_coords), np.full(len(frac_coords), 14))


@pytest.fixture
def coords():
    return np.random.default_rng(0).random((5, 3))


def test_the_rmsd_of_one_atom_of_four_that_moves():
    coords = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]])
    moved = coords + np.diag([0.1, 0, 0, 0])[:, :3]
    assert rmsd(skewed(coords), skewed(moved)) == pytest.approx(0.4 * np.sqrt(3) / 4)


def test_the_rmsd_takes_the_nearest_images(coords):
    moves = 0.03 * np.random.default_rng(1).normal(size=coords.shape)
    images = np.random.default_rng(2).integers(-3, 4, coords.shape)
    there = skewed(coords + moves)
    assert rmsd(skewed(coords), there) > 0.05
    assert rmsd(skewed(coords), skewed(coords + moves + images)) == pytest.approx(rmsd(skewed(coords), there))
    assert rmsd(there, skewed(coords)) == pytest.approx(rmsd(skewed(coords), there))


def test_the_rmsd_leaves_out_drift_and_strain(coords):
    strain = np.eye(3) + 0.1 * np.random.default_rng(3).normal(size=(3, 3))
    drifted = skewed((coords + np.array([0.1, -0.3, 0.2])) % 1.0, strain)
    assert rmsd(skewed(coords), drifted) == pytest.approx(0, abs=1e-12)


def test_the_rmsd_is_measured_in_the_mean_of_both_cells():
    coords = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    moved = coords + np.array([[0.1, 0, 0], [-0.1, 0, 0]])
    assert rmsd(skewed(coords), skewed(moved, 1.2 * np.eye(3))) == pytest.approx(0.1 * 4.0 * 1.1)
