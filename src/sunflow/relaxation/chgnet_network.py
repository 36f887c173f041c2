"""CHGNet's network: from bond vectors to the energy, of which one gradient gives forces and stress."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sunflow.relaxation.bond_graph import BondGraph
from sunflow.relaxation.chgnet_layers import (
    DIM,
    AngleBasis,
    AngleUpdate,
    AtomConvolution,
    BondConvolution,
    RadialBasis,
    Weights,
)


class CHGNetNetwork(nn.Module):
    """Energies of the atoms of crystals.

    Args:
        weights: The state of the package's model, by its names.
        cutoff: Longest bond, in Å.
        angle_cutoff: Longest bond that takes part in angles, in Å.
    """

    def __init__(self, weights: Weights, cutoff: float, angle_cutoff: float) -> None:
        super().__init__()
        expansion = "bond_basis_expansion.rbf_expansion"
        self.radial_basis = RadialBasis(weights[f"{expansion}_ag.frequencies"], cutoff)
        self.short_radial_basis = RadialBasis(weights[f"{expansion}_bg.frequencies"], angle_cutoff)
        self.angle_basis = AngleBasis(weights["angle_basis_expansion.fourier_expansion.frequencies"])
        self.atom_embedding = _embedding(weights["atom_embedding.embedding.weight"])
        self.reference_energies = _embedding(weights["composition_model.fc.weight"].T)
        self.bond_embedding = _linear(weights["bond_embedding.weight"])
        self.bond_weights = _linear(weights["bond_weights_ag.weight"])
        self.short_bond_weights = _linear(weights["bond_weights_bg.weight"])
        self.angle_embedding = _linear(weights["angle_embedding.weight"])
        self.atom_layers = nn.ModuleList(AtomConvolution(weights, f"atom_conv_layers.{i}") for i in range(4))
        self.bond_layers = nn.ModuleList(BondConvolution(weights, f"bond_conv_layers.{i}") for i in range(3))
        self.angle_layers = nn.ModuleList(AngleUpdate(weights, f"angle_layers.{i}") for i in range(2))
        self.norm = nn.LayerNorm(DIM)
        self.norm.load_state_dict({kind: weights[f"readout_norm.{kind}"] for kind in ("weight", "bias")})
        self.readout = nn.ModuleList(
            _linear(weights[f"mlp.layers.{i}.weight"], weights[f"mlp.layers.{i}.bias"]) for i in (0, 2, 4, 7)
        )
        self.requires_grad_(False)

    def forward(
        self, atomic_numbers: Int[Tensor, " atoms"], vectors: Float[Tensor, "bonds 3"], graph: BondGraph
    ) -> Float[Tensor, " atoms"]:
        """Every atom's share of the energy in eV, from the vectors of the bonds in Å.

        Vectors of double precision keep it up to the angles, whose derivative single precision spoils near 180°.
        """
        exact_lengths = vectors.norm(dim=1)
        lengths = exact_lengths.to(self.norm.weight.dtype)
        waves = self.radial_basis(lengths)
        atoms = self.atom_embedding(atomic_numbers - 1)
        bonds = self.bond_embedding(waves)
        bond_weights = self.bond_weights(waves)
        has_angles = len(graph.angle_atom) > 0
        if has_angles:
            short_bond_weights = self.short_bond_weights(self.short_radial_basis(lengths))
            bond_angles = _angles(vectors / exact_lengths[:, None], graph).to(lengths.dtype)
            angles = self.angle_embedding(self.angle_basis(bond_angles))
        for i in range(3):
            atoms = self.atom_layers[i](atoms, bonds, bond_weights, graph)
            if has_angles:
                bonds = self.bond_layers[i](atoms, bonds, short_bond_weights, angles, graph)
                angles = self.angle_layers[i](atoms, bonds, angles, graph) if i < 2 else angles
        atoms = self.atom_layers[3](atoms, bonds, bond_weights, graph)
        return (self._site_energies(atoms) + self.reference_energies(atomic_numbers - 1)).squeeze(1)

    def _site_energies(self, atoms: Float[Tensor, "atoms dim"]) -> Float[Tensor, "atoms 1"]:
        features = self.norm(atoms)
        for layer in self.readout[:-1]:
            features = functional.silu(layer(features))
        return self.readout[-1](features)


def _angles(directions: Float[Tensor, "bonds 3"], graph: BondGraph) -> Float[Tensor, " angles"]:
    """Angle between two arms; the cosine is drawn in a little from ±1, as it was in the training."""
    arms = torch.cat([directions, -directions])
    cosines = (arms[graph.angle_end] * arms[graph.angle_other_end]).sum(dim=1)
    return torch.acos(cosines * (1 - 1e-6))


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
    return layer


def _embedding(weight: Tensor) -> nn.Embedding:
    return nn.Embedding.from_pretrained(weight.contiguous())
