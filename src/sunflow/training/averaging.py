"""The exponential average of the weights along a training."""

import copy
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class WeightAverage(Generic[Module]):
    """A copy of a module whose weights follow it slowly: average ← decay · average + (1 - decay) · weights.

    Attributes:
        module: The averaged copy, in evaluation mode, without gradients.
        decay: 0 makes the average equal to the weights.
        start: Up to this step the average equals the weights.
    """

    def __init__(self, module: Module, decay: float, start: int) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay
        self.start = start
        self._buffers = sorted(dict(self.module.named_buffers()).keys() & self.module.state_dict().keys())

    @torch.no_grad()
    def update(self, module: Module, step: int) -> None:
        """Take in the weights after `step`; buffers that belong to the state are copied."""
        weight = 1.0 if step <= self.start else 1.0 - self.decay
        averaged, current = _tensors(self.module.parameters()), _tensors(module.parameters())
        torch._foreach_lerp_(averaged, current, weight)
        own, theirs = dict(self.module.named_buffers()), dict(module.named_buffers())
        for name in self._buffers:
            own[name].copy_(theirs[name])


def _tensors(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.data for parameter in parameters]
