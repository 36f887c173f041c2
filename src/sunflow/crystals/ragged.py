"""Groups of different sizes, laid one after another in a flat tensor: the atoms of crystals, the edges of atoms."""

import torch
from jaxtyping import Int
from torch import Tensor


def starts(sizes: Int[Tensor, " groups"]) -> Int[Tensor, " groups"]:
    """Where each group begins."""
    return sizes.cumsum(0) - sizes


def members(
    sizes: Int[Tensor, " groups"], total: int | None = None
) -> tuple[Int[Tensor, " members"], Int[Tensor, " members"]]:
    """Of every member of every group, the index of its group and its place in there, counted from 0.

    Without the total of the sizes, a GPU is waited for.
    """
    group = torch.repeat_interleave(torch.arange(len(sizes), device=sizes.device), sizes, output_size=total)
    return group, torch.arange(len(group), device=sizes.device) - starts(sizes)[group]
