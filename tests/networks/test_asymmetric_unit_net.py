import pytest
import torch

from sunflow.networks.asymmetric_unit_net import AXES, OPERATIONS, AsymmetricUnitNet
from sunflow.networks.complete_graph import CompleteGraph

SIZES = torch.tensor([3, 1, 4])
NUM_TYPES = 5
OF_ATOMS = ("types", "symmetries", "angles", "signal")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return AsymmetricUnitNet(NUM_TYPES, 16, 2, 4, 8, 8, property_dim=8).double()


@pytest.fixture
def given():
    torch.manual_seed(1)
    num_atoms, num_crystals = int(SIZES.sum()), len(SIZES)
    values = {
        "types": torch.rand(num_atoms, NUM_TYPES),
        "symmetries": torch.rand(num_atoms, AXES, OPERATIONS),
        "angles": torch.randn(num_atoms, 3),
        "signal": torch.randn(num_atoms, 3),
        "lattice": torch.randn(num_crystals, 6),
        "time": torch.rand(num_crystals),
        "target": torch.randn(num_crystals),
    }
    doubles = {name: value.double() for name, value in values.items()}
    return {**doubles, "space_group": torch.tensor([225, 2, 62]), "graph": CompleteGraph.of(SIZES)}


def test_every_input_and_parameter_matters(network, given):
    leaves = {name: value.requires_grad_() for name, value in given.items() if name not in ("space_group", "graph")}
    sum((part**2).sum() for part in network(**given)).backward()
    for name, tensor in [*leaves.items(), *network.named_parameters()]:
        if not name.endswith("none"):
            assert tensor.grad.isfinite().all() and tensor.grad.abs().max() > 0, name


def test_the_space_group_matters_to_its_own_crystal_alone(network, given):
    before, after = network(**given), network(**{**given, "space_group": torch.tensor([225, 2, 14])})
    for one, other in zip(before, after, strict=True):
        sizes = [1, 1, 1] if len(one) == len(SIZES) else SIZES.tolist()
        same, changed = zip(one.split([sum(sizes[:2]), sizes[2]]), other.split([sum(sizes[:2]), sizes[2]]), strict=True)
        torch.testing.assert_close(*same)
        assert not torch.isclose(*changed).any(dim=-1).all()


def test_permuting_atoms_permutes_the_output(network, given):
    order = torch.tensor([2, 0, 1, 3, 5, 7, 4, 6])
    before = network(**given)
    after = network(**{**given, **{name: given[name][order] for name in OF_ATOMS}})
    torch.testing.assert_close(after.lattice, before.lattice)
    for one, other in zip(before[1:], after[1:], strict=True):
        torch.testing.assert_close(other, one[order])


def test_positions_are_seen_and_not_only_their_differences(network, given):
    shifted = network(**{**given, "angles": given["angles"] + 1.0})
    assert not torch.allclose(shifted.coordinates, network(**given).coordinates)
