"""How many crystals fit into one batch."""

import torch

BONDS_ON_CPU = 4000.0
"""About 16 crystals of 10 atoms; larger batches leave the processor's caches and gain nothing."""
BONDS_ON_GPU_AT_FIRST = 50_000.0
"""Until the memory that a bond takes has been measured."""
SHARE_OF_MEMORY = 0.7
"""Of a GPU's free memory that a batch may take."""


class Capacity:
    """The largest size of a batch, in bonds; on a GPU it follows the memory that earlier batches took.

    Args:
        device: Where the batches are evaluated.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bonds = BONDS_ON_GPU_AT_FIRST if device.type == "cuda" else BONDS_ON_CPU
        self._most = float("inf")

    def learn(self, bonds: float) -> None:
        """Look at the memory that a batch of so many bonds took at its peak."""
        if self.device.type != "cuda":
            return
        taken = torch.cuda.max_memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        if bonds > self.bonds / 2:
            free, _ = torch.cuda.mem_get_info(self.device)
            available = SHARE_OF_MEMORY * (free + torch.cuda.memory_reserved(self.device))
            self.bonds = min(available * bonds / taken, self._most)

    def halve(self, bonds: float) -> None:
        """A batch of so many bonds was too large: none will be more than half of it."""
        self.bonds = self._most = min(bonds, self.bonds) / 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it tells of an allocation that failed, on a GPU or not."""
    told = any(words in str(error) for words in ("out of memory", "t allocate memory", "STATUS_ALLOC_FAILED"))
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (isinstance(error, RuntimeError) and told)
