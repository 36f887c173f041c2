"""Mixed precision where there is a GPU to gain from it."""

from typing import Literal

import torch


class Precision:
    """The number format of the network's matrix products, and the scaling of the loss that half precision needs.

    Attributes:
        dtype: bfloat16 on a GPU that knows it, float16 on an older one, float32 otherwise.
        scaler: Keeps small gradients from vanishing in float16; does nothing in other formats.
    """

    def __init__(self, precision: Literal["auto", "float32"], device: torch.device) -> None:
        self.device = device
        self.dtype = torch.float32
        if precision == "auto" and device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            self.dtype = torch.bfloat16 if native else torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)

    def autocast(self) -> torch.autocast:
        """The context in which a loss is computed."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)
