"""The periodic E(3)-equivariant network of CrysBFN, after DiffCSP's CSPNet (Jiao et al., 2023)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.embeddings import FourierFeatures, TimeEmbedding


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
        time_of_atom = self.time_embedding(time)[graph.crystal_of_atom]
        atoms = self.atom_embedding(torch.cat([self.type_embedding(types), time_of_atom, signal], -1))
        atoms = atoms.to(angles.dtype)
        gram = _multiply(lattice, lattice.mT).flatten(1)
        fourier = self.fourier_features(angles[graph.sender] - angles[graph.receiver])
        for layer in self.layers:
            atoms = layer(atoms, gram, fourier, graph)
        with torch.autocast(atoms.device.type, enabled=False):
            return self._read_out(self.norm(atoms), lattice, graph)

    def _read_out(
        self, atoms: Float[Tensor, "atoms hidden"], lattice: Float[Tensor, "crystals 3 3"], graph: CompleteGraph
    ) -> CSPNetOutput:
        """The heads, in full precision."""
        factor = self.lattice_head(graph.mean_of_atoms(atoms)).reshape(-1, 3, 3)
        return CSPNetOutput(self.displacement_head(atoms), _multiply(factor, lattice), self.type_head(atoms))


class CSPLayer(nn.Module):
    """One round of messages.

    The first layer of the message network is linear in a concatenation of receiver, sender, cell and edge features.
    It is computed part by part, so that only the Fourier features of an edge cost a product per edge.

    Args:
        hidden_dim: Length of an atom's feature vector.
        edge_dim: Length of an edge's feature vector.
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
        fourier: Float[Tensor, "edges features"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """The features of all atoms after they have heard of one another."""
        normed = self.norm(atoms)
        receiver, sender, cell, edge = self.message_in.weight.split(self.parts, dim=1)
        of_cell = functional.linear(gram, cell, self.message_in.bias)
        of_receiver = functional.linear(normed, receiver) + of_cell[graph.crystal_of_atom]
        of_sender = functional.linear(normed, sender)
        hidden = functional.linear(fourier, edge) + of_receiver[graph.receiver] + of_sender[graph.sender]
        message = functional.silu(self.message_out(functional.silu(hidden)))
        heard = torch.cat([normed, graph.mean_of_messages(message)], -1)
        return atoms + functional.silu(self.update_out(functional.silu(self.update_in(heard))))


def _multiply(
    left: Float[Tensor, "crystals 3 3"], right: Float[Tensor, "crystals 3 3"]
) -> Float[Tensor, "crystals 3 3"]:
    """Matrix products in full precision, whatever mixed precision is on."""
    return (left[..., None] * right[:, None]).sum(-2)
