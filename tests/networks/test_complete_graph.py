import pytest
import torch

from sunflow.networks.complete_graph import CompleteGraph


@pytest.mark.parametrize("sizes", [[1], [52], [3, 1, 4], [1, 1, 1], [2, 20, 7]])
def test_every_ordered_pair_of_a_crystal_is_an_edge_once(sizes):
    graph = CompleteGraph.of(torch.tensor(sizes))
    expected, first = [], 0
    for size in sizes:
        expected += [(first + i, first + j) for i in range(size) for j in range(size)]
        first += size
    assert list(zip(graph.receiver.tolist(), graph.sender.tolist(), strict=True)) == expected
    pairs = list(zip(graph.first.tolist(), graph.second.tolist(), strict=True))
    assert pairs == [(i, j) for i, j in expected if i < j]
    assert graph.crystal_of_atom.tolist() == [index for index, size in enumerate(sizes) for _ in range(size)]


def test_means_are_those_of_a_loop():
    graph = CompleteGraph.of(torch.tensor([3, 1, 4]))
    generator = torch.Generator().manual_seed(0)
    message = torch.randn(len(graph.receiver), 5, generator=generator)
    value = torch.randn(8, 5, generator=generator)
    total = torch.stack([message[graph.receiver == atom].sum(0) for atom in range(8)])
    heard = torch.stack([message[graph.receiver == atom].mean(0) for atom in range(8)])
    torch.testing.assert_close(graph.per_neighbor(total), heard)
    pooled = torch.stack([value[graph.crystal_of_atom == crystal].mean(0) for crystal in range(3)])
    torch.testing.assert_close(graph.mean_of_atoms(value), pooled)


def test_totals_that_are_known_change_nothing():
    sizes = torch.tensor([3, 1, 4, 2])
    known = CompleteGraph.of(sizes, int(sizes.sum()), int((sizes**2).sum()))
    torch.testing.assert_close(vars(known), vars(CompleteGraph.of(sizes)), rtol=0, atol=0)
