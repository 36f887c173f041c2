"""Messages along edges, summed at the atoms that they reach, a block of edges at a time."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

silu_backward = torch.ops.aten.silu_backward


def blocks(num_rows: int, size: int, device: torch.device) -> list[slice]:
    """All rows, in blocks of this size on a CPU, whose caches and memory like that; a GPU takes all at once."""
    size = size if device.type == "cpu" else max(num_rows, 1)
    return [slice(start, start + size) for start in range(0, num_rows, size)]


def sum_of_messages(
    edges: Iterable[tuple[Tensor, Tensor]], second_layer: nn.Linear, num_atoms: int
) -> Float[Tensor, "atoms hidden"]:
    """The sum of silu(second layer(silu(first layer))) over all edges that point to an atom, in full precision.

    Args:
        edges: Blocks of edges: the receivers, and what the first layer says of each edge, which may be overwritten.
        second_layer: Applied in the number format of the first.
        num_atoms: How many sums there are.
    """
    weight, bias = second_layer.weight, second_layer.bias
    total = weight.new_zeros(num_atoms, len(weight))
    for receiver, first in edges:
        total = _AddMessages.apply(total, receiver, first, weight.to(first.dtype), bias.to(first.dtype))
    return total


class _AddMessages(torch.autograd.Function):
    """Adds the messages of some edges to their sums, in place.

    Of all that is as large as the edges, only what goes into the two activations is kept for the gradients. The
    activations are computed again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        total: Float[Tensor, "atoms hidden"],
        receiver: Int[Tensor, " edges"],
        first: Float[Tensor, "edges hidden"],
        weight: Float[Tensor, "hidden hidden"],
        bias: Float[Tensor, " hidden"],
    ) -> Float[Tensor, "atoms hidden"]:
        """Without gradients, activations overwrite their input."""
        keep = any(ctx.needs_input_grad)
        second = torch.addmm(bias, functional.silu(first, inplace=not keep), weight.T)
        if keep:
            ctx.save_for_backward(receiver, first, second, weight)
        ctx.mark_dirty(total)
        return total.index_add_(0, receiver, functional.silu(second, inplace=not keep).to(total.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "atoms hidden"]) -> tuple[Tensor | None, ...]:
        """The chain rule, from the sums to before the first activation."""
        receiver, first, second, weight = ctx.saved_tensors
        grad_second = silu_backward(grad.index_select(0, receiver).to(second.dtype), second)
        grad_first = silu_backward(grad_second @ weight, first)
        return grad, None, grad_first, grad_second.T @ functional.silu(first), grad_second.sum(0)
