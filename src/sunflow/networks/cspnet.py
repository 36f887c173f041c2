"""The periodic E(3)-equivariant network of CrysBFN, after DiffCSP's CSPNet (Jiao et al., 2023)."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.embeddings import FourierFeatures, TimeEmbedding
from sunflow.networks.messages import blocks, sum_of_messages

PAIRS_AT_ONCE = 1024


class CSPNetOutput(NamedTuple):
    """What the network says of a batch of crystals.

    Attributes:
        displacement: (atoms, 3) angles to add to those given.
        lattice: (crystals, 3, 3).
        type_logits: (atoms, types).
    """

    displacement: Tensor
    lattice: Tensor
    type_logits: Tensor


class CSPNet(nn.Module):
    """Message passing between all atoms of a crystal.

    Displacements and types do not change when all angles are shifted by the same amounts or the lattice is rotated;
    the lattice rotates with that given.

    Args:
        num_types: Length of an atom's type vector.
        hidden_dim: Length of an atom's feature vector.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis of the difference of two atoms.
        time_dim: Length of the time embedding.
    """

    def __init__(self, num_types: int, hidden_dim: int, num_layers: int, num_frequencies: int, time_dim: int) -> None:
        super().__init__()
        self.time_embedding = TimeEmbedding(time_dim)
        self.fourier_features = FourierFeatures(num_frequencies)
        self.type_embedding = nn.Linear(num_types, hidden_dim)
        self.atom_embedding = nn.Linear(hidden_dim + time_dim + 3, hidden_dim)
        self.layers = nn.ModuleList(CSPLayer(hidden_dim, 6 * num_frequencies) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_dim)
        self.displacement_head = nn.Linear(hidden_dim, 3, bias=False)
        self.lattice_head = nn.Linear(hidden_dim, 9, bias=False)
        self.type_head = nn.Linear(hidden_dim, num_types)

    def forward(
        self,
        types: Float[Tensor, "atoms types"],
        angles: Float[Tensor, "atoms 3"],
        signal: Float[Tensor, "atoms 3"],
        lattice: Float[Tensor, "crystals 3 3"],
        time: Float[Tensor, " crystals"],
        graph: CompleteGraph,
    ) -> CSPNetOutput:
        """Estimate all fields.

        Args:
            types: Type vector of every atom.
            angles: Position of every atom, as angles.
            signal: How sure these positions are.
            lattice: Rows are lattice vectors, in any unit.
            time: In [0, 1].
            graph: Of the crystals.
        """
        atoms = self.embed(types, signal, time, graph)
        gram = gram_of(lattice)
        fourier = self.fourier_features(angles[graph.second] - angles[graph.first])
        for layer in self.layers:
            atoms = layer(atoms, gram, fourier, graph)
        return self.read_out(atoms, lattice, graph)

    def embed(
        self,
        types: Float[Tensor, "atoms types"],
        signal: Float[Tensor, "atoms 3"],
        time: Float[Tensor, " crystals"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """What every atom knows before it hears of the others."""
        time_of_atom = self.time_embedding(time)[graph.crystal_of_atom]
        atoms = self.atom_embedding(torch.cat([self.type_embedding(types), time_of_atom, signal], -1))
        return atoms.to(signal.dtype)

    def read_out(
        self, atoms: Float[Tensor, "atoms hidden"], lattice: Float[Tensor, "crystals 3 3"], graph: CompleteGraph
    ) -> CSPNetOutput:
        """The heads, in full precision."""
        with torch.autocast(atoms.device.type, enabled=False):
            atoms = self.norm(atoms)
            factor = self.lattice_head(graph.mean_of_atoms(atoms)).reshape(-1, 3, 3)
            return CSPNetOutput(self.displacement_head(atoms), _multiply(factor, lattice), self.type_head(atoms))


class CSPLayer(nn.Module):
    """One round of messages.

    The first layer of the message network is linear in a concatenation of receiver, sender, cell and edge features.
    It is computed part by part, so that only the Fourier features cost a product per edge; and of the two edges that
    join a pair of atoms only one, because the other has the opposite sines and the same cosines.

    Args:
        hidden_dim: Length of an atom's feature vector.
        edge_dim: Length of an edge's feature vector, of which half are sines and half cosines.
    """

    def __init__(self, hidden_dim: int, edge_dim: int) -> None:
        super().__init__()
        self.parts = [hidden_dim, hidden_dim, 9, edge_dim]
        self.norm = nn.LayerNorm(hidden_dim)
        self.message_in = nn.Linear(sum(self.parts), hidden_dim)
        self.message_out = nn.Linear(hidden_dim, hidden_dim)
        self.update_in = nn.Linear(2 * hidden_dim, hidden_dim)
        self.update_out = nn.Linear(hidden_dim, hidden_dim)

    def forward(
        self,
        atoms: Float[Tensor, "atoms hidden"],
        gram: Float[Tensor, "crystals 9"],
        fourier: Float[Tensor, "pairs features"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """The features of all atoms after they have heard of one another."""
        normed = self.norm(atoms)
        of_receiver, of_sender = self.of_atoms(normed, gram, graph)
        edges = self._first_layer(of_receiver, of_sender, fourier, graph)
        heard = graph.per_neighbor(sum_of_messages(edges, self.message_out, len(atoms)))
        return self.update(atoms, normed, heard)

    def of_atoms(
        self, normed: Float[Tensor, "atoms hidden"], gram: Float[Tensor, "crystals 9"], graph: CompleteGraph
    ) -> tuple[Float[Tensor, "atoms hidden"], Float[Tensor, "atoms hidden"]]:
        """The terms of an edge's first layer that depend on its receiver and cell, and on its sender."""
        receiver, sender, cell, _ = self.message_in.weight.split(self.parts, dim=1)
        of_cell = functional.linear(gram, cell, self.message_in.bias)
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
        fourier: Float[Tensor, "pairs features"],
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


def gram_of(lattice: Float[Tensor, "crystals 3 3"]) -> Float[Tensor, "crystals 9"]:
    """Products of all pairs of lattice vectors."""
    return _multiply(lattice, lattice.mT).flatten(1)


def _multiply(
    left: Float[Tensor, "crystals 3 3"], right: Float[Tensor, "crystals 3 3"]
) -> Float[Tensor, "crystals 3 3"]:
    """Matrix products in full precision, whatever mixed precision is on."""
    return (left[..., None] * right[:, None]).sum(-2)
