"""`CSPLayers` with fixed weights, for sampling: the first layer looks its Fourier sums up in tables."""

import copy
import math
from collections.abc import Iterator
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.csp_layers import CSPLayer, CSPLayers
from sunflow.networks.embeddings import FourierFeatures
from sunflow.networks.messages import blocks, sum_of_messages

EDGES_AT_ONCE = 4096
Network = TypeVar("Network", bound=nn.Module)


class TabulatedCSPLayers(nn.Module):
    """Trained `CSPLayers`, faster and without gradients.

    Of an edge's first layer, the part of the Fourier features is Σ_d g_d(Δ_d), a sum over the axes of one periodic
    function each. Here g_d is a cubic spline through its values on a grid.

    The tables belong to the weights at the time of construction.

    Args:
        exact: With the weights.
        nodes_per_wave: Nodes of the splines per shortest wave, whose error is about (2π/nodes)⁴/384 of its amplitude:
            1e-3 for 8. Longer waves are that much more exact, and outputs too: see bench/README.md.
    """

    def __init__(self, exact: CSPLayers, nodes_per_wave: int = 8) -> None:
        super().__init__()
        self.exact = exact
        self.grid_size = nodes_per_wave * len(exact.fourier_features.frequencies)
        tables = [_table(layer, exact.fourier_features, self.grid_size) for layer in self._layers]
        self.register_buffer("tables", torch.stack(tables), persistent=False)

    tables: Tensor

    @property
    def _layers(self) -> list[CSPLayer]:
        return [layer for layer in self.exact.layers if isinstance(layer, CSPLayer)]

    @torch.no_grad()
    def forward(
        self,
        atoms: Float[Tensor, "atoms hidden"],
        cells: Float[Tensor, "crystals features"],
        angles: Float[Tensor, "atoms 3"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """As `CSPLayers.forward`."""
        node, share = _place(angles[graph.sender] - angles[graph.receiver], self.grid_size)
        for layer, table in zip(self._layers, self.tables, strict=True):
            normed = layer.norm(atoms)
            of_receiver, of_sender = layer.of_atoms(normed, cells, graph)
            edges = _first_layer(of_receiver, of_sender, table, node, share, graph)
            heard = graph.per_neighbor(sum_of_messages(edges, layer.message_out, len(atoms)))
            atoms = layer.update(atoms, normed, heard)
        return atoms


def tabulated(network: Network, nodes_per_wave: int = 8) -> Network:
    """A copy of a trained network whose `rounds` of messages look things up, and which learns no more."""
    copied = copy.deepcopy(network).requires_grad_(False)
    copied.rounds = TabulatedCSPLayers(copied.rounds, nodes_per_wave)  # type: ignore[arg-type]
    return copied


def _first_layer(
    of_receiver: Float[Tensor, "atoms hidden"],
    of_sender: Float[Tensor, "atoms hidden"],
    table: Float[Tensor, "nodes hidden"],
    node: Int[Tensor, "edges lookups"],
    share: Float[Tensor, "edges lookups"],
    graph: CompleteGraph,
) -> Iterator[tuple[Int[Tensor, " block"], Float[Tensor, "block hidden"]]]:
    """Receivers and first layer of all edges; a bag is the sum of rows of a table."""
    of_atoms = torch.cat([of_receiver, of_sender])
    ends = torch.stack([graph.receiver, graph.sender + len(of_receiver)], -1)
    for block in blocks(len(node), EDGES_AT_ONCE, table.device):
        first_layer = functional.embedding_bag(node[block], table, mode="sum", per_sample_weights=share[block])
        first_layer += functional.embedding_bag(ends[block], of_atoms, mode="sum")
        yield graph.receiver[block], first_layer.to(of_sender.dtype)


@torch.no_grad()
def _table(layer: CSPLayer, features: FourierFeatures, grid_size: int) -> Float[Tensor, "nodes hidden"]:
    """Coefficients of the splines, axis by axis."""
    weight = layer.fourier_weight.unflatten(1, (2, 3, -1))
    step = 2 * math.pi / grid_size
    grid = step * torch.arange(grid_size, device=weight.device, dtype=weight.dtype)
    waves = features(grid[:, None]).unflatten(1, (2, -1))
    waves = waves * 3 / (2 + torch.cos(step * features.frequencies))
    return torch.einsum("gsk,hsdk->dgh", waves, weight).flatten(0, 1)


def _place(
    angles: Float[Tensor, "edges 3"], grid_size: int
) -> tuple[Int[Tensor, "edges lookups"], Float[Tensor, "edges lookups"]]:
    """The four nodes around every angle, for all axes, and their shares: cubic B-splines."""
    place = angles * (grid_size / (2 * math.pi))
    node = torch.floor(place)
    after = place - node
    before = 1 - after
    share = [before**3, 4 - 3 * after**2 * (1 + before), 4 - 3 * before**2 * (1 + after), after**3]
    offset = torch.arange(-1, 3, device=angles.device)
    first_of_axis = grid_size * torch.arange(3, device=angles.device)[:, None]
    index = torch.remainder(node.long()[..., None] + offset, grid_size) + first_of_axis
    return index.flatten(1), (torch.stack(share, -1) / 6).flatten(1)
