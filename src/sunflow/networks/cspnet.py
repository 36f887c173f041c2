"""The periodic E(3)-equivariant network of CrysBFN, after DiffCSP's CSPNet (Jiao et al., 2023)."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.csp_layers import CSPLayers
from sunflow.networks.embeddings import Context


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
        property_dim: Length of the embedding of the property that is asked for; 0 for none.
    """

    def __init__(
        self,
        num_types: int,
        hidden_dim: int,
        num_layers: int,
        num_frequencies: int,
        time_dim: int,
        property_dim: int = 0,
    ) -> None:
        super().__init__()
        self.context = Context(time_dim, property_dim)
        self.type_embedding = nn.Linear(num_types, hidden_dim)
        self.atom_embedding = nn.Linear(hidden_dim + time_dim + property_dim + 3, hidden_dim)
        self.rounds = CSPLayers(hidden_dim, num_layers, num_frequencies, cell_dim=9)
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
        target: Float[Tensor, " crystals"] | None = None,
    ) -> CSPNetOutput:
        """Estimate all fields.

        Args:
            types: Type vector of every atom.
            angles: Position of every atom, as angles.
            signal: How sure these positions are.
            lattice: Rows are lattice vectors, in any unit.
            time: In [0, 1].
            graph: Of the crystals.
            target: The property that is asked for, as `Context` has it.
        """
        atoms = self.embed(types, signal, self.context(time, target), graph)
        return self.read_out(self.rounds(atoms, gram_of(lattice), angles, graph), lattice, graph)

    def embed(
        self,
        types: Float[Tensor, "atoms types"],
        signal: Float[Tensor, "atoms 3"],
        context: Float[Tensor, "crystals context"],
        graph: CompleteGraph,
    ) -> Float[Tensor, "atoms hidden"]:
        """What every atom knows before it hears of the others."""
        known = [self.type_embedding(types), context[graph.crystal_of_atom], signal]
        atoms = self.atom_embedding(torch.cat(known, -1))
        return atoms.to(signal.dtype)

    def read_out(
        self, atoms: Float[Tensor, "atoms hidden"], lattice: Float[Tensor, "crystals 3 3"], graph: CompleteGraph
    ) -> CSPNetOutput:
        """The heads, in full precision."""
        with torch.autocast(atoms.device.type, enabled=False):
            atoms = self.norm(atoms)
            factor = self.lattice_head(graph.mean_of_atoms(atoms)).reshape(-1, 3, 3)
            return CSPNetOutput(self.displacement_head(atoms), _multiply(factor, lattice), self.type_head(atoms))


def gram_of(lattice: Float[Tensor, "crystals 3 3"]) -> Float[Tensor, "crystals 9"]:
    """Products of all pairs of lattice vectors."""
    return _multiply(lattice, lattice.mT).flatten(1)


def _multiply(
    left: Float[Tensor, "crystals 3 3"], right: Float[Tensor, "crystals 3 3"]
) -> Float[Tensor, "crystals 3 3"]:
    """Matrix products in full precision, whatever mixed precision is on."""
    return (left[..., None] * right[:, None]).sum(-2)
