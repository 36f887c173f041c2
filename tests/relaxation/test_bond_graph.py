import itertools

import numpy as np
import pytest

from sunflow.relaxation.bond_graph import bond_graph

CUTOFF, ANGLE_CUTOFF = 4.0, 2.6


@pytest.fixture
def crystal():
    random = np.random.default_rng(0)
    lattice = np.array([[3.1, 0.2, 0.0], [1.0, 3.4, 0.3], [-0.4, 0.8, 4.2]])
    return random.random((3, 3)) @ lattice, lattice


def brute_force(positions, lattice):
    """(first, second, image) of all neighbours within the cutoff."""
    found = set()
    for image in itertools.product(range(-3, 4), repeat=3):
        distances = np.linalg.norm(positions + np.array(image) @ lattice - positions[:, None], axis=2)
        for first, second in zip(*np.nonzero((distances < CUTOFF) & (distances > 1e-8)), strict=True):
            found.add((first, second, image))
    return found


def test_every_bond_occurs_once_and_no_neighbour_is_missed(crystal):
    positions, lattice = crystal
    graph = bond_graph(positions, lattice, CUTOFF, ANGLE_CUTOFF)
    images = np.linalg.solve(lattice.T, (graph.vectors + positions[graph.first] - positions[graph.second]).T).T
    forward = [
        (first, second, tuple(image))
        for first, second, image in zip(graph.first, graph.second, np.rint(images).astype(int).tolist(), strict=True)
    ]
    backward = [(second, first, tuple(-n for n in image)) for first, second, image in forward]
    assert len(set(forward + backward)) == 2 * len(forward)
    assert set(forward + backward) == brute_force(positions, lattice)


def test_angles_are_all_ordered_pairs_of_short_ends_at_an_atom(crystal):
    positions, lattice = crystal
    graph = bond_graph(positions, lattice, CUTOFF, ANGLE_CUTOFF)
    short = np.linalg.norm(graph.vectors, axis=1) < ANGLE_CUTOFF
    ends_at_atom = np.bincount(np.concatenate([graph.first[short], graph.second[short]]), minlength=3)
    assert ends_at_atom.min() > 1
    assert len(graph.angle_atom) == (ends_at_atom * (ends_at_atom - 1)).sum()
    assert len({tuple(pair) for pair in graph.angle_ends.tolist()}) == len(graph.angle_ends)
    owner = np.concatenate([graph.first, graph.second])
    assert (owner[graph.angle_ends] == graph.angle_atom[:, None]).all()


def test_one_atom_is_bonded_to_its_own_images():
    graph = bond_graph(np.zeros((1, 3)), 3.0 * np.eye(3), 3.1, 3.1)
    assert len(graph.first) == 3
    assert len(graph.angle_atom) == 6 * 5


def test_atoms_far_apart_have_no_bonds():
    graph = bond_graph(np.zeros((1, 3)), 30.0 * np.eye(3), CUTOFF, ANGLE_CUTOFF)
    assert len(graph.first) == len(graph.angle_atom) == len(graph.angle_ends) == 0
    assert graph.angle_ends.shape == (0, 2)
