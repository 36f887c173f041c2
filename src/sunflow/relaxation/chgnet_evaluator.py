"""CHGNet for many crystals at once, with one backward pass for forces and stresses."""

from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.bond_graph import bond_graph
from sunflow.relaxation.chgnet_network import CHGNetNetwork
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import NeighborList, Pairs, expected_pairs
from sunflow.relaxation.potential import Evaluation, collapsed

SKIN = 0.5
"""Å; a wider one is searched anew less often, but more pairs are looked at in every step."""


class CHGNetEvaluator:
    """The network of a file of weights, on a device."""

    def __init__(self, weights_file: Path, device: torch.device) -> None:
        model = torch.load(weights_file, map_location="cpu", weights_only=True)["model"]
        self.device = device
        self.cutoff = float(model["model_args"]["atom_graph_cutoff"])
        self.angle_cutoff = float(model["model_args"]["bond_graph_cutoff"])
        self.network = CHGNetNetwork(model["state_dict"], self.cutoff, self.angle_cutoff).to(device)
        self.neighbors = NeighborList(self.cutoff, SKIN)

    def evaluate(self, geometry: Geometry) -> Evaluation:
        """Energies and, from their gradient to the bond vectors, forces and stresses; isolated atoms are refused."""
        pairs = self.neighbors.pairs(geometry)
        vectors = pairs.vectors(geometry)
        lengths = vectors.norm(dim=1)
        near = lengths < self.cutoff
        bonds, vectors, lengths = pairs.where(near), vectors[near].requires_grad_(), lengths[near]
        graph = bond_graph(bonds, lengths, self.angle_cutoff, len(geometry.positions))
        site_energies = self.network(geometry.atomic_numbers, vectors, graph).double()
        (gradient,) = torch.autograd.grad(site_energies.sum(), vectors)
        energies = torch.zeros(len(geometry), dtype=torch.float64, device=self.device)
        energies = energies.index_add(0, geometry.crystal_of_atom, site_energies.detach())
        return Evaluation(
            energies=energies,
            forces=_forces(bonds, gradient, geometry),
            stresses=_stresses(bonds, vectors.detach(), gradient, geometry),
            refusals=collapsed(energies / geometry.num_atoms) | self._isolated(bonds, geometry),
        )

    def size(self, crystal: Crystal) -> float:
        """Bonds to expect."""
        return expected_pairs(crystal, self.cutoff)

    def _isolated(self, bonds: Pairs, geometry: Geometry) -> dict[int, str]:
        lonely = bonds.lonely(len(geometry.positions))
        owners, counts = geometry.crystal_of_atom[lonely].unique(return_counts=True)
        return {
            owner: f"isolated atoms: {count} of {geometry.num_atoms[owner]} have no neighbour within {self.cutoff:g} Å"
            for owner, count in zip(owners.tolist(), counts.tolist(), strict=True)
        }


def _forces(bonds: Pairs, gradient: Float64[Tensor, "pairs 3"], geometry: Geometry) -> Float64[Tensor, "atoms 3"]:
    zero = torch.zeros_like(geometry.positions)
    return zero.index_add(0, bonds.first, gradient).index_add(0, bonds.second, gradient, alpha=-1)


def _stresses(
    bonds: Pairs, vectors: Float64[Tensor, "pairs 3"], gradient: Float64[Tensor, "pairs 3"], geometry: Geometry
) -> Float64[Tensor, "crystals 3 3"]:
    """The sum over bonds of vector times gradient, over the volume."""
    products = vectors[:, :, None] * gradient[:, None, :]
    virials = torch.zeros_like(geometry.lattices).index_add(0, bonds.crystal, products)
    return (virials + virials.mT) / (2 * geometry.volumes[:, None, None])
