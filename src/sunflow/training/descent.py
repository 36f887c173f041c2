"""One step of the optimiser, by one process or by several, decided upon where it is computed."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from sunflow.training.parallel import ALONE, Alone
from sunflow.training.precision import Precision
from sunflow.training.settings import TrainingSettings


class Descent:
    """AdamW with clipped gradients that skips what is not finite.

    Attributes:
        optimizer: AdamW; its fused form asks the device, not the host, whether to skip a step.
    """

    def __init__(
        self, module: nn.Module, settings: TrainingSettings, precision: Precision, processes: Alone = ALONE
    ) -> None:
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self._parameters = list(module.parameters())
        self._max_norm = settings.max_gradient_norm or math.inf
        self._scaler = precision.scaler
        self._processes = processes

    def step(self, terms: Mapping[str, Float[Tensor, ""]]) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, ""]]:
        """Descend the sum of this process's parts of the terms, as one step of all processes.

        Returns:
            The terms of all processes together; and 1, or 0 if one of them or the gradient is not finite: then neither
            weights nor moments have changed.
        """
        self._scaler.scale(torch.stack(list(terms.values())).sum()).backward()
        values = torch.stack([term.detach().float() for term in terms.values()])
        self._processes.sum_([values, *(weight.grad for weight in self._parameters if weight.grad is not None)])
        self._scaler.unscale_(self.optimizer)
        norm = clip_grad_norm_(self._parameters, self._max_norm)
        finite = values.isfinite().all() & norm.isfinite()
        self.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        self.optimizer.step()
        self._scaler.update()
        self.optimizer.zero_grad()
        return dict(zip(terms, values, strict=True)), finite.float()


def mean_terms(
    terms: Mapping[str, Float[Tensor, " _rows"]], weight: float = 1.0, processes: Alone = ALONE
) -> dict[str, Float[Tensor, ""]]:
    """What the rows of this process add to the mean of every term over the rows of all processes.

    Args:
        terms: The loss of every row.
        weight: 0 if these rows do not count.
        processes: Among which the rows are shared.
    """
    counts = torch.stack([torch.full((), weight * len(rows), device=rows.device) for rows in terms.values()])
    processes.sum_([counts])
    return {name: weight * rows.sum() / count for (name, rows), count in zip(terms.items(), counts, strict=True)}
