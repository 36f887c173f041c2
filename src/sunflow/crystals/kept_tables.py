"""Tables that a module keeps with its weights, whose sizes are known only when they are loaded."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


def make_room(module: nn.Module, names: Iterable[str], state_dict: Mapping[str, Tensor], prefix: str) -> None:
    """Give the buffers of these names the sizes and types that they have in a state, on the device that they are on."""
    for name in names:
        if (kept := state_dict.get(prefix + name)) is not None:
            setattr(module, name, torch.empty_like(kept, device=getattr(module, name).device))
