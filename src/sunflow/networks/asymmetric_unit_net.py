"""The network of SymmBFN (appendix A.3): CSPNet's messages between the atoms of an asymmetric unit.

It is told the space group and, because that fixes the origin and the axes, absolute positions: nothing is equivariant.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.csp_layers import CSPLayers
from sunflow.networks.embeddings import Context, FourierFeatures

NUM_SPACE_GROUPS = 230
NUM_COEFFICIENTS = 6
AXES, OPERATIONS = 15, 13


class AsymmetricUnitOutput(NamedTuple):
    """What the network says of a batch of asymmetric units.

    Attributes:
        lattice: (crystals, 6).
        coordinates: (atoms, 3).
        type_logits: (atoms, types).
        symmetry_logits: (atoms, 15, 13), of the operation on every axis.
    """

    lattice: Tensor
    coordinates: Tensor
    type_logits: Tensor
    symmetry_logits: Tensor


class AsymmetricUnitNet(nn.Module):
    """Message passing between all atoms of an asymmetric unit.

    Args:
        num_types: Length of an atom's type vector.
        hidden_dim: Length of an atom's feature vector.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis, of positions and of their differences.
        embedding_dim: Length of the embeddings of type, site symmetry and space group.
        time_dim: Length of the time embedding.
        property_dim: Length of the embedding of the property that is asked for; 0 for none.
    """

    def __init__(
        self,
        num_types: int,
        hidden_dim: int,
        num_layers: int,
        num_frequencies: int,
        embedding_dim: int,
        time_dim: int,
        property_dim: int = 0,
    ) -> None:
        super().__init__()
        self.context = Context(time_dim, property_dim)
        self.position_features = FourierFeatures(num_frequencies)
        self.space_group_embedding = nn.Embedding(NUM_SPACE_GROUPS + 1, embedding_dim)
        self.type_embedding = nn.Linear(num_types, embedding_dim)
        self.symmetry_embedding = nn.Linear(AXES * OPERATIONS, embedding_dim)
        known = 3 * embedding_dim + time_dim + property_dim + 6 * num_frequencies + 6
        self.atom_embedding = _two_layers(known, hidden_dim, hidden_dim)
        self.rounds = CSPLayers(hidden_dim, num_layers, num_frequencies, NUM_COEFFICIENTS)
        self.norm = nn.LayerNorm(hidden_dim)
        self.lattice_head = _two_layers(hidden_dim, hidden_dim, NUM_COEFFICIENTS)
        self.coordinate_head = _two_layers(hidden_dim, hidden_dim, 3)
        self.type_head = _two_layers(hidden_dim, hidden_dim, num_types)
        self.symmetry_head = _two_layers(hidden_dim, hidden_dim, AXES * OPERATIONS)

    def forward(
        self,
        types: Float[Tensor, "atoms types"],
        symmetries: Float[Tensor, "atoms axes operations"],
        angles: Float[Tensor, "atoms 3"],
        signal: Float[Tensor, "atoms 3"],
        lattice: Float[Tensor, "crystals coefficients"],
        time: Float[Tensor, " crystals"],
        space_group: Int[Tensor, " crystals"],
        graph: CompleteGraph,
        target: Float[Tensor, " crystals"] | None = None,
    ) -> AsymmetricUnitOutput:
        """Estimate all fields.

        Args:
            types: Type vector of every atom.
            symmetries: Vector of the operation on each of the 15 axes through every atom.
            angles: Position of every atom, as angles; not wrapped where that means something.
            signal: How sure these positions are.
            lattice: Coefficients, in any unit.
            time: In [0, 1].
            space_group: 1 … 230.
            graph: Of the asymmetric units.
            target: The property that is asked for, as `Context` has it.
        """
        context = torch.cat([self.space_group_embedding(space_group), self.context(time, target)], -1)
        known = [
            self.type_embedding(types),
            self.symmetry_embedding(symmetries.flatten(1)),
            context[graph.crystal_of_atom],
            self.position_features(angles),
            angles,
            signal,
        ]
        atoms = self.atom_embedding(torch.cat(known, -1)).to(signal.dtype)
        return self.read_out(self.rounds(atoms, lattice, angles, graph), graph)

    def read_out(self, atoms: Float[Tensor, "atoms hidden"], graph: CompleteGraph) -> AsymmetricUnitOutput:
        """The heads, in full precision."""
        with torch.autocast(atoms.device.type, enabled=False):
            atoms = self.norm(atoms)
            return AsymmetricUnitOutput(
                self.lattice_head(graph.mean_of_atoms(atoms)),
                self.coordinate_head(atoms),
                self.type_head(atoms),
                self.symmetry_head(atoms).unflatten(-1, (AXES, OPERATIONS)),
            )


def _two_layers(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, out_dim))
