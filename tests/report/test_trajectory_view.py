"""What the player of a trajectory shows."""

import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.report.trajectory_view import LARGEST, trajectory_view, unwrapped

LATTICE = np.array([[3.0, 0, 0], [0.4, 4.1, 0], [0.3, 0.2, 5.3]])


def frame(step, frac_coords, lattice=LATTICE, atomic_numbers=(11, 17)):
    told = {"step": step, "time": (step - 1) / 3}
    return Crystal(str(step), lattice, np.asarray(frac_coords), np.array(atomic_numbers), properties=told)


def walk(num_frames=40):
    """Two atoms that wander across the borders of the cell, as they are and wrapped into it."""
    steps = 0.1 * np.random.default_rng(0).normal(size=(num_frames, 2, 3))
    followed = np.clip(steps, -0.49, 0.49).cumsum(axis=0)
    return followed, np.mod(followed, 1.0)


def test_atoms_do_not_jump_and_end_within_the_cell():
    followed, inside = walk()
    assert np.abs(np.diff(inside, axis=0)).max() > 0.5
    shown = np.stack(unwrapped(list(inside)))
    np.testing.assert_array_equal(shown[-1], inside[-1])
    np.testing.assert_allclose(np.diff(shown, axis=0), np.diff(followed, axis=0), atol=1e-12)
    np.testing.assert_allclose(np.mod(shown - inside + 0.5, 1.0), 0.5)


def test_distances_are_those_of_the_crystal_to_the_rounding():
    _, inside = walk(3)
    view = trajectory_view([frame(step, coordinates) for step, coordinates in enumerate(inside, 1)])
    assert [shown["step"] for shown in view["frames"]] == [1, 2, 3]
    assert [shown["time"] for shown in view["frames"]] == [0.0, 0.333, 0.667]
    for shown, coordinates in zip(view["frames"], unwrapped(list(inside)), strict=True):
        first, second = np.array(shown["positions"])
        expected = np.linalg.norm((coordinates[0] - coordinates[1]) @ LATTICE)
        assert np.linalg.norm(first - second) == pytest.approx(expected, abs=0.02)
        lattice = np.array(shown["lattice"])
        np.testing.assert_allclose(lattice @ lattice.T, LATTICE @ LATTICE.T, atol=0.1)
        assert np.linalg.det(lattice) == pytest.approx(np.linalg.det(LATTICE), rel=0.01)
        assert np.abs(lattice[2, :2]).max() < 0.01  # c points up
        assert all(value == round(value, 2) for value in np.ravel(shown["positions"]).tolist())


def test_the_centre_of_the_cell_is_the_centre_of_the_picture():
    view = trajectory_view([frame(1, [[0.5, 0.5, 0.5], [0, 0, 0]])])
    first, second = view["frames"][0]["positions"]
    assert first == [0, 0, 0]
    np.testing.assert_allclose(second, -0.5 * np.sum(view["frames"][0]["lattice"], axis=0), atol=0.02)


def test_elements_may_change_from_frame_to_frame():
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    view = trajectory_view([frame(1, positions, atomic_numbers=(8, 8)), frame(2, positions)])
    assert [shown["symbols"] for shown in view["frames"]] == [["O", "O"], ["Na", "Cl"]]
    assert view["elements"].keys() == {"O", "Na", "Cl"}
    assert all(look["color"].startswith("#") and look["radius"] > 0 for look in view["elements"].values())


@pytest.mark.parametrize("flat", [0 * LATTICE, np.diag([3.0, 3.0, 0.0])])
def test_flat_cells_are_shown(flat):
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    for frames in ([frame(1, positions, flat), frame(2, positions)], [frame(1, positions), frame(2, positions, flat)]):
        view = trajectory_view(frames)
        assert np.isfinite(view["bounds"]).all() and np.isfinite(view["size"]).all()


def test_an_estimate_without_bounds_does_not_dwarf_the_crystal():
    positions = [[0, 0, 0], [0.5, 0.5, 0.5]]
    alone = trajectory_view([frame(2, positions)])
    view = trajectory_view([frame(1, positions, 1000 * LATTICE), frame(2, positions)])
    assert view["size"] == alone["size"]
    assert max(view["bounds"]) == pytest.approx(LARGEST * max(alone["size"]), abs=0.01)
