import itertools

import numpy as np
import pytest
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.bond_graph import bond_graph
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import pairs_within

CPU = torch.device("cpu")
CUTOFF, ANGLE_CUTOFF = 4.0, 2.6
LATTICE = np.array([[3.1, 0.2, 0.0], [1.0, 3.4, 0.3], [-0.4, 0.8, 4.2]])


def crystal(num_atoms, seed=0):
    return Crystal("x", LATTICE, np.random.default_rng(seed).random((num_atoms, 3)), np.full(num_atoms, 14))


def graph_of(crystals, cutoff=CUTOFF, angle_cutoff=ANGLE_CUTOFF):
    """The graph, its bonds and their lengths."""
    geometry = Geometry.of(crystals, CPU)
    bonds = pairs_within(cutoff, geometry, torch.arange(len(geometry)))
    lengths = bonds.vectors(geometry).norm(dim=1)
    return bond_graph(bonds, lengths, angle_cutoff, len(geometry.positions)), bonds, lengths


@pytest.fixture(scope="module")
def known():
    return graph_of([crystal(3)])


def angles_of(graph):
    return list(zip(graph.angle_end.tolist(), graph.angle_other_end.tolist(), strict=True))


def test_every_bond_has_two_ends(known):
    graph, bonds, _ = known
    assert len(bonds.first) > 20
    assert graph.center.tolist() == bonds.first.tolist() + bonds.second.tolist()
    assert graph.neighbor.tolist() == bonds.second.tolist() + bonds.first.tolist()


def test_angles_are_all_ordered_pairs_of_short_ends_at_an_atom(known):
    graph, _, lengths = known
    ends = [end for end in range(len(graph.center)) if lengths.repeat(2)[end] < ANGLE_CUTOFF]
    center = graph.center.tolist()
    expected = {(one, other) for one, other in itertools.permutations(ends, 2) if center[one] == center[other]}
    assert len(expected) > 20
    assert len(angles_of(graph)) == len(expected)
    assert set(angles_of(graph)) == expected


def test_an_angle_knows_its_atom_and_its_bonds(known):
    graph, _, lengths = known
    assert torch.equal(graph.angle_atom, graph.center[graph.angle_end])
    assert torch.equal(graph.angle_atom, graph.center[graph.angle_other_end])
    assert torch.equal(graph.angle_bond, graph.angle_end % len(lengths))
    assert torch.equal(graph.angle_other_bond, graph.angle_other_end % len(lengths))


def test_one_atom_is_bonded_to_its_own_images():
    simple_cubic = Crystal("x", 3.0 * np.eye(3), np.zeros((1, 3)), np.array([84]))
    graph, _, _ = graph_of([simple_cubic], 3.1, 3.1)
    assert len(graph.center) == 6
    assert len(graph.angle_atom) == 6 * 5


def test_crystals_of_a_batch_have_the_angles_that_they_have_alone():
    crystals = [crystal(3), crystal(5, seed=1), crystal(4, seed=2)]
    together, bonds, _ = graph_of(crystals)
    assert torch.equal(bonds.crystal[together.angle_bond], bonds.crystal[together.angle_other_bond])
    alone = [len(graph_of([each])[0].angle_atom) for each in crystals]
    assert min(alone) > 0
    assert bonds.crystal[together.angle_bond].bincount().tolist() == alone


def test_bonds_may_be_too_long_for_angles():
    graph, bonds, _ = graph_of([crystal(2)], angle_cutoff=0.1)
    assert len(bonds.first) > 0
    assert len(graph.angle_atom) == len(graph.angle_end) == len(graph.angle_bond) == 0


@pytest.mark.parametrize("crystals", [[], [Crystal("x", 30.0 * np.eye(3), np.zeros((1, 3)), np.array([14]))]])
def test_where_there_are_no_bonds_there_are_no_angles(crystals):
    graph, _, _ = graph_of(crystals)
    for indices in vars(graph).values():
        assert indices.shape == (0,)
