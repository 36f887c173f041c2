import pytest
import torch
from torch import nn
from torch.nn.functional import silu

from sunflow.networks.messages import blocks, sum_of_messages


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    receiver = torch.tensor([0, 2, 2, 1, 0, 2, 2])
    torch.manual_seed(1)
    return receiver, first, nn.Linear(4, 4).double()


def plain(receiver, first, layer):
    message = silu(layer(silu(first)))
    return torch.stack([message[receiver == atom].sum(0) for atom in range(4)])


def in_two(receiver, first):
    return [(receiver[:3], first[:3]), (receiver[3:], first[3:])]


def test_sums_are_those_of_a_loop(given):
    receiver, first, layer = given
    expected = plain(*given)
    torch.testing.assert_close(sum_of_messages(in_two(receiver, first), layer, 4), expected)
    with torch.no_grad():
        torch.testing.assert_close(sum_of_messages(in_two(receiver, first.clone()), layer, 4), expected)


def test_gradients_are_those_of_autograd(given):
    receiver, first, layer = given
    leaves = [first.requires_grad_(), *layer.parameters()]
    sums = [sum_of_messages(in_two(receiver, first), layer, 4), plain(receiver, first, layer)]
    ours, expected = (torch.autograd.grad(total.pow(3).sum(), leaves) for total in sums)
    torch.testing.assert_close(ours, expected)


def test_gradients_agree_with_differences(given):
    receiver, first, layer = given

    def total(first, weight, bias):
        twin = nn.Linear(4, 4).double()
        del twin.weight, twin.bias
        twin.weight, twin.bias = weight, bias
        return sum_of_messages(in_two(receiver, first), twin, 4)

    leaves = [each.detach().requires_grad_() for each in (first, layer.weight, layer.bias)]
    assert torch.autograd.gradcheck(total, leaves)


@pytest.mark.parametrize("num_rows", [0, 1, 9, 10, 11])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_blocks_hold_every_row_once(num_rows, device):
    rows = [row for block in blocks(num_rows, 5, torch.device(device)) for row in range(num_rows)[block]]
    assert rows == list(range(num_rows))
