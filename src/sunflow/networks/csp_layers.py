"""Rounds of messages between all atoms of a crystal, after DiffCSP's CSPNet (Jiao et al., 2023)."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.embeddings import FourierFeatures
from sunflow.networks.messages import blocks, sum_of_messages

PAIRS_AT_ONCE = 1024


class CSPLayers(nn.Module):
    """What atoms make of one another and of their cell; it does not change when all angles are shifted alike.

    Args:
        hidden_dim: Length of an atom's feature vector.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis of the difference of two atoms.
        cell_dim: Length of a cell's feature vector.
    """

    def __init__(self, hidden_dim: int, num_layers: int, num_frequencies: int, cell_dim: int) -> None:
        super().__init__()
        self.fourier_features = FourierFeatures(num_frequencies)
        self.layers = nn.ModuleList(CSPLayer(hidden_dim, cell_dim, 6 * num_frequencies) for _ in range(num_layers))

    def forward(
        self,
        atoms: Float[Tensor, "atoms hidden"],
        cells: Float[Tensor, "crystals features"],
        angles: Float[Tensor, "atoms 3"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """The features of all atoms after all rounds."""
        fourier = self.fourier_features(angles[graph.second] - angles[graph.first])
        for layer in self.layers:
            atoms = layer(atoms, cells, fourier, graph)
        return atoms


class CSPLayer(nn.Module):
    """One round of messages.

    The first layer of the message network is linear in a concatenation of receiver, sender, cell and edge features.
    It is computed part by part, so that only the Fourier features cost a product per edge; and of the two edges that
    join a pair of atoms only one, because the other has the opposite sines and the same cosines.

    Args:
        hidden_dim: Length of an atom's feature vector.
        cell_dim: Length of a cell's.
        edge_dim: Length of an edge's, of which half are sines and half cosines.
    """

    def __init__(self, hidden_dim: int, cell_dim: int, edge_dim: int) -> None:
        super().__init__()
        self.parts = [hidden_dim, hidden_dim, cell_dim, edge_dim]
        self.norm = nn.LayerNorm(hidden_dim)
        self.message_in = nn.Linear(sum(self.parts), hidden_dim)
        self.message_out = nn.Linear(hidden_dim, hidden_dim)
        self.update_in = nn.Linear(2 * hidden_dim, hidden_dim)
        self.update_out = nn.Linear(hidden_dim, hidden_dim)

    def forward(
        self,
        atoms: Float[Tensor, "atoms hidden"],
        cells: Float[Tensor, "crystals features"],
        fourier: Float[Tensor, "pairs waves"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """The features of all atoms after they have heard of one another."""
        normed = self.norm(atoms)
        of_receiver, of_sender = self.of_atoms(normed, cells, graph)
        edges = self._first_layer(of_receiver, of_sender, fourier, graph)
        heard = graph.per_neighbor(sum_of_messages(edges, self.message_out, len(atoms)))
        return self.update(atoms, normed, heard)

    def of_atoms(
        self, normed: Float[Tensor, "atoms hidden"], cells: Float[Tensor, "crystals features"], graph: CompleteGraph
    ) -> tuple[Float[Tensor, "atoms hidden"], Float[Tensor, "atoms hidden"]]:
        """The terms of an edge's first layer that depend on its receiver and cell, and on its sender."""
        receiver, sender, cell, _ = self.message_in.weight.split(self.parts, dim=1)
        of_cell = functional.linear(cells, cell, self.message_in.bias)
        of_receiver = functional.linear(normed, receiver) + of_cell.index_select(0, graph.crystal_of_atom)
        return of_receiver, functional.linear(normed, sender)

    @property
    def fourier_weight(self) -> Float[Tensor, "hidden features"]:
        """The part of the first layer's weight that belongs to the Fourier features."""
        return self.message_in.weight[:, -self.parts[-1] :]

    def _first_layer(
        self,
        of_receiver: Float[Tensor, "atoms hidden"],
        of_sender: Float[Tensor, "atoms hidden"],
        fourier: Float[Tensor, "pairs waves"],
        graph: CompleteGraph,
    ) -> Iterator[tuple[Int[Tensor, " edges"], Float[Tensor, "edges hidden"]]]:
        """Receivers and first layer: of the edge of every atom with itself, then of both edges of all pairs."""
        of_sines, of_cosines = self.fourier_weight.to(of_sender.dtype).chunk(2, dim=1)
        yield torch.arange(len(of_sender), device=of_sender.device), of_receiver + of_sender + of_cosines.sum(1)
        for block in blocks(len(fourier), PAIRS_AT_ONCE, fourier.device):
            sines, cosines = fourier[block].chunk(2, dim=1)
            odd, even = functional.linear(sines, of_sines), functional.linear(cosines, of_cosines)
            first, second = graph.first[block], graph.second[block]
            receiver, sender = torch.cat([first, second]), torch.cat([second, first])
            first_layer = torch.cat([even + odd, even - odd])
            first_layer += of_receiver.index_select(0, receiver)
            first_layer += of_sender.index_select(0, sender)
            yield receiver, first_layer

    def update(
        self,
        atoms: Float[Tensor, "atoms hidden"],
        normed: Float[Tensor, "atoms hidden"],
        heard: Float[Tensor, "atoms hidden"],
    ) -> Float[Tensor, "atoms hidden"]:
        """What atoms make of the mean of their messages."""
        joined = torch.cat([normed, heard], -1)
        return atoms + functional.silu(self.update_out(functional.silu(self.update_in(joined))))
