import pytest
import torch
from torch import nn

from sunflow.training.averaging import WeightAverage

TAKEN = torch.ones(())


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


def test_the_average_is_the_exponential_one_from_its_start_on():
    module = Steps()
    average = WeightAverage(module, decay=0.8, start=2)
    expected = 0.0
    for step in range(1, 7):
        module.weight.data.fill_(float(step**2))
        module.count.fill_(step)
        average.update(module, step, TAKEN)
        expected = step**2 if step <= 2 else 0.8 * expected + 0.2 * step**2
        assert torch.allclose(average.module.weight, torch.full((3,), float(expected)))
        assert average.module.count == step
    assert not average.module.weight.requires_grad and not average.module.training


def test_no_decay_follows_the_weights():
    module = Steps()
    average = WeightAverage(module, decay=0.0, start=0)
    module.weight.data.fill_(7.0)
    average.update(module, 1, TAKEN)
    assert torch.equal(average.module.weight, module.weight)
    module.weight.data.fill_(8.0)
    assert torch.equal(average.module.weight, torch.full((3,), 7.0))


@pytest.mark.parametrize("start", [0, 100])
def test_a_skipped_step_leaves_the_average_as_it_is(start):
    module = Steps()
    average = WeightAverage(module, decay=0.9, start=start)
    module.weight.data.copy_(torch.tensor([1e-30, 3.3, 1e30]))
    module.count.fill_(4)
    average.update(module, 1, TAKEN)
    before = average.module.weight.clone()
    module.count.fill_(5)
    average.update(module, 2, 0 * TAKEN)
    assert torch.equal(average.module.weight, before) and average.module.count == 4
