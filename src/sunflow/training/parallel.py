"""Several processes that train together, as `torchrun` starts them, or one alone."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


class Alone:
    """One process.

    Attributes:
        rank: Its number among the processes, from 0 on.
        size: How many there are.
        local_rank: Its number among the processes of this computer, each of which has a GPU of its own.
    """

    rank = 0
    size = 1
    local_rank = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over all processes; a GPU is not waited for."""

    def largest(self, value: int) -> int:
        """The largest of the processes' values: all of them learn what one knows."""
        return value

    def wait(self) -> None:
        """Return when all processes have come this far."""
        self.largest(0)


ALONE = Alone()


class ProcessGroup(Alone):
    """The processes of `torch.distributed`, once it is initialised."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Lay all tensors one after another, and sum them in one message."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        sums = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [sum_.view_as(tensor) for sum_, tensor in zip(sums, tensors, strict=True)])

    def largest(self, value: int) -> int:
        """Agreed upon by way of the CPUs, so that no GPU is waited for."""
        agreed = torch.tensor(value)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return int(agreed)


@contextmanager
def processes() -> Iterator[Alone]:
    """The processes that `torchrun` started (environment variable WORLD_SIZE), or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield ProcessGroup()
    finally:
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process will be the first, before it has joined the others."""
    return int(os.environ.get("RANK", "0")) == 0
