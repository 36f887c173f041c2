"""TensorNet for many crystals at once, with the layers of matgl 4.1.2, and one backward pass."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from jaxtyping import Float64
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import NeighborList, Pairs, expected_pairs
from sunflow.relaxation.potential import Evaluation, collapsed

SKIN = 0.5
"""Å by which the remembered neighbour lists reach beyond the cutoff."""


class TensorNetEvaluator:
    """The network of a folder of weights, on a device."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from ase.data import atomic_numbers
        from matgl.models import TensorNet as Network

        settings = torch.load(folder / "model.pt", map_location="cpu", weights_only=True)["model"]["init_args"]
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        layers = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        self.device = device
        self.network = Network(**settings, use_warp=False).to(device).eval().requires_grad_(False)
        self.network.load_state_dict(layers)
        self.mean, self.scale = state["data_mean"].double(), state["data_std"].double()
        self.references = state["element_refs.property_offset"].double()
        self.node_types = torch.full((len(atomic_numbers),), -1, device=device)
        known = [atomic_numbers[symbol] for symbol in settings["element_types"]]
        self.node_types[known] = torch.arange(len(known), device=device)
        self.cutoff = float(settings["cutoff"])
        self.neighbors = NeighborList(self.cutoff, SKIN)

    def swap_ends_of_bonds(self) -> None:
        """Take the atoms of a bond in the other order: matgl 2.0 summed bonds at their ends, 4.1 at their starts."""
        embedding = self.network.tensor_embedding.emb2
        embedding.weight.copy_(embedding.weight.roll(embedding.out_features, dims=1))

    def evaluate(self, geometry: Geometry) -> Evaluation:
        """Energies and, from their gradient to positions and strain, forces and stresses; one pass each way for all."""
        positions = geometry.positions.clone().requires_grad_()
        strain = torch.zeros_like(geometry.lattices, requires_grad=True)
        strained = _strained(replace(geometry, positions=positions), strain)
        pairs = self.neighbors.pairs(geometry)
        vectors = pairs.vectors(strained)
        near = vectors.detach().norm(dim=1) < self.cutoff
        bonds, vectors = pairs.where(near), vectors[near]
        energies = self._energies(geometry, bonds, vectors)
        slopes, virials = torch.autograd.grad(energies.sum(), [positions, strain])
        energies = energies.detach()
        return Evaluation(
            energies=energies,
            forces=-slopes,
            stresses=(virials + virials.mT) / (2 * geometry.volumes[:, None, None]),
            refusals=collapsed(energies / geometry.num_atoms)
            | self._isolated(geometry, bonds)
            | self._unknown(geometry),
        )

    def size(self, crystal: Crystal) -> float:
        """Bonds to expect."""
        return expected_pairs(crystal, self.cutoff)

    def _energies(
        self, geometry: Geometry, bonds: Pairs, vectors: Float64[Tensor, "bonds 3"]
    ) -> Float64[Tensor, " crystals"]:
        """From the vectors alone: matgl takes them as shifts between atoms, which are here all at the origin."""
        node_types = self.node_types[geometry.atomic_numbers].clamp(min=0)
        graph = SimpleNamespace(
            node_type=node_types,
            pos=torch.zeros_like(geometry.positions, dtype=torch.float32),
            edge_index=torch.stack([torch.cat([bonds.first, bonds.second]), torch.cat([bonds.second, bonds.first])]),
            pbc_offshift=torch.cat([vectors, -vectors]).float(),
        )
        features = self.network.forward_features(graph)["readout"]
        sites = self.scale * self.network.final_layer(features).squeeze(1).double() + self.references[node_types]
        return self.mean.repeat(len(geometry)).index_add(0, geometry.crystal_of_atom, sites)

    def _isolated(self, geometry: Geometry, bonds: Pairs) -> dict[int, str]:
        lonely = bonds.lonely(len(geometry.positions))
        reason = f"isolated atoms: an atom has no neighbour within {self.cutoff:g} Å"
        return dict.fromkeys(geometry.crystal_of_atom[lonely].tolist(), reason)

    def _unknown(self, geometry: Geometry) -> dict[int, str]:
        unknown = self.node_types[geometry.atomic_numbers] < 0
        return dict.fromkeys(geometry.crystal_of_atom[unknown].tolist(), "unsupported element")


def _strained(geometry: Geometry, strain: Float64[Tensor, "crystals 3 3"]) -> Geometry:
    return replace(
        geometry,
        lattices=geometry.lattices + geometry.lattices @ strain,
        positions=geometry.positions + torch.einsum("ai,aij->aj", geometry.positions, strain[geometry.crystal_of_atom]),
    )
