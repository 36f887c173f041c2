"""Several flows side by side, one per field."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.noise import CrystalNoise, Draw

#: The crystal of every row, for every field.
Rows = Mapping[str, Int[Tensor, " _rows"]]


class JointFlow(nn.Module):
    """A flow per field, in step: all fields of a crystal have received equally many observations.

    A field has a row per crystal, per atom or per whatever else belongs to a crystal; `crystal_of_row` says, for every
    field, to which. Steps are given per crystal.

    Args:
        flows: The flow of every field, all of the same number of steps.
    """

    def __init__(self, flows: Mapping[str, BayesianFlow]) -> None:
        super().__init__()
        self._flows = nn.ModuleDict(flows)
        lengths = {field: flow.num_steps for field, flow in flows.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"the flows of a joint flow must have one number of steps, but have {lengths}")
        self.num_steps = next(iter(lengths.values()))

    def _items(self) -> list[tuple[str, BayesianFlow]]:
        return [(field, cast(BayesianFlow, flow)) for field, flow in self._flows.items()]

    def prior(self, crystal_of_row: Rows, noise: CrystalNoise) -> dict[str, Any]:
        """The beliefs before any observation."""
        return {
            field: flow.prior(len(crystal_of_row[field]), _draw(noise, crystal_of_row[field]))
            for field, flow in self._items()
        }

    def sample_flow(
        self,
        x: Mapping[str, Tensor],
        num_observations: Int[Tensor, " crystals"],
        crystal_of_row: Rows,
        noise: CrystalNoise,
    ) -> dict[str, Any]:
        """The beliefs after so many observations of `x`."""
        return {
            field: flow.sample_flow(
                x[field], num_observations[crystal_of_row[field]], _draw(noise, crystal_of_row[field])
            )
            for field, flow in self._items()
        }

    def update(
        self,
        belief: Mapping[str, Any],
        x_hat: Mapping[str, Tensor],
        step: Int[Tensor, " crystals"],
        crystal_of_row: Rows,
        noise: CrystalNoise,
    ) -> dict[str, Any]:
        """The beliefs after one more observation of the estimate (CrysBFN, algorithm 2)."""
        return {
            field: flow.update(
                belief[field], x_hat[field], step[crystal_of_row[field]], _draw(noise, crystal_of_row[field])
            )
            for field, flow in self._items()
        }

    def redraw(
        self,
        belief: Mapping[str, Any],
        x_hat: Mapping[str, Tensor],
        step: Int[Tensor, " crystals"],
        crystal_of_row: Rows,
        noise: CrystalNoise,
    ) -> dict[str, Any]:
        """The beliefs after `step` fresh observations of the estimate; the belief so far is forgotten."""
        return self.sample_flow(x_hat, step, crystal_of_row, noise)

    def loss(
        self,
        x: Mapping[str, Tensor],
        x_hat: Mapping[str, Tensor],
        step: Int[Tensor, " crystals"],
        crystal_of_row: Rows,
        noise: CrystalNoise,
    ) -> dict[str, Float[Tensor, " _rows"]]:
        """The loss of every row of every field."""
        return {
            field: flow.loss(x[field], x_hat[field], step[crystal_of_row[field]], _draw(noise, crystal_of_row[field]))
            for field, flow in self._items()
        }


def _draw(noise: CrystalNoise, crystal_of_row: Int[Tensor, " rows"]) -> Draw:
    """The noise of one field's rows."""
    return partial(noise.normal, crystal_of_row)
