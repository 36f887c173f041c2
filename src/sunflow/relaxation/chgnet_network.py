"""CHGNet's network (Deng et al., Nature Machine Intelligence 5, 1031, 2023), lean: energies and their gradient.

The same function as the `chgnet` package's, from the same weights, arranged for relaxation: every first layer over
concatenated atoms, bonds and angles is split into one product per kind (an atom's share is computed once, not once per
bond), bonds carry one vector for both directions, and one backward pass to these vectors gives forces and stress.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from sunflow.relaxation.bond_graph import BondGraph

DIM = 64
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Bonds:
    """Indices of a bond graph; an end is a bond seen from one of its two atoms (all first atoms, then all second)."""

    center: Int[Tensor, " ends"]
    neighbor: Int[Tensor, " ends"]
    bond: Int[Tensor, " ends"]
    angle_atom: Int[Tensor, " angles"]
    angle_end: Int[Tensor, " angles"]
    angle_other_end: Int[Tensor, " angles"]
    angle_bond: Int[Tensor, " angles"]
    angle_other_bond: Int[Tensor, " angles"]

    @classmethod
    def of(cls, graph: BondGraph, device: torch.device) -> Self:
        """The tensors of this graph on `device`."""
        bond = np.tile(np.arange(len(graph.first)), 2)
        end, other_end = graph.angle_ends.T
        indices = (
            np.concatenate([graph.first, graph.second]),
            np.concatenate([graph.second, graph.first]),
            bond,
            graph.angle_atom,
            end,
            other_end,
            bond[end],
            bond[other_end],
        )
        return cls(*(torch.tensor(index, dtype=torch.int64, device=device) for index in indices))


class RadialBasis(nn.Module):
    """Sine waves over the bond length that vanish smoothly at the cutoff (eq. 3 and 4, exponent 8)."""

    def __init__(self, frequencies: Tensor, cutoff: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.cutoff = cutoff

    def forward(self, lengths: Float[Tensor, " bonds"]) -> Float[Tensor, "bonds waves"]:
        scaled = (lengths / self.cutoff)[:, None]
        envelope = 1 - 45 * scaled**8 + 80 * scaled**9 - 36 * scaled**10
        waves = (2 / self.cutoff) ** 0.5 * torch.sin(self.frequencies * scaled) / lengths[:, None]
        return torch.where(scaled < 1, envelope, 0.0) * waves


class AngleBasis(nn.Module):
    """Fourier series of the angle between two bonds (eq. 1)."""

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)

    def forward(self, cosines: Float[Tensor, " angles"]) -> Float[Tensor, "angles waves"]:
        phases = torch.acos(cosines * (1 - 1e-6))[:, None] * self.frequencies
        constant = torch.full_like(phases[:, :1], 0.5**0.5)
        return torch.cat([constant, torch.sin(phases), torch.cos(phases)], dim=1) / torch.pi**0.5


class GatedLayers(nn.Module):
    """SiLU(LayerNorm(core)) · sigmoid(LayerNorm(gate)), both read from several kinds of features (eq. 6)."""

    def __init__(self, weights: Weights, name: str, has_hidden_layer: bool) -> None:
        super().__init__()
        layer = "layers.0" if has_hidden_layer else "layers.1"
        branches = [f"{name}.mlp_core", f"{name}.mlp_gate"]
        stacked = torch.cat([weights[f"{branch}.{layer}.weight"] for branch in branches])
        self.register_buffer("inward", torch.stack([part.T.contiguous() for part in stacked.split(DIM, dim=1)]))
        self.register_buffer("bias", torch.cat([weights[f"{branch}.{layer}.bias"] for branch in branches]))
        self.has_hidden_layer = has_hidden_layer
        if has_hidden_layer:
            self.register_buffer("outward", torch.stack([weights[f"{b}.layers.3.weight"].T for b in branches]))
            self.register_buffer("outward_bias", torch.stack([weights[f"{b}.layers.3.bias"] for b in branches]))
        norms = [f"{name}.bn1", f"{name}.bn2"]
        self.register_buffer("scale", torch.stack([weights[f"{norm}.weight"] for norm in norms]))
        self.register_buffer("shift", torch.stack([weights[f"{norm}.bias"] for norm in norms]))

    def share(self, kind: int, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows twice_dim"]:
        """What features of this kind contribute to the first layer."""
        return features @ self.inward[kind]

    def forward(self, shares: Float[Tensor, "rows twice_dim"]) -> Float[Tensor, "rows dim"]:
        core, gate = (shares + self.bias).split(DIM, dim=1)
        if self.has_hidden_layer:
            core = torch.addmm(self.outward_bias[0], functional.silu(core), self.outward[0])
            gate = torch.addmm(self.outward_bias[1], functional.silu(gate), self.outward[1])
        core = functional.layer_norm(core, (DIM,), self.scale[0], self.shift[0])
        gate = functional.layer_norm(gate, (DIM,), self.scale[1], self.shift[1])
        return functional.silu(core) * torch.sigmoid(gate)


class AtomConvolution(nn.Module):
    """Atoms learn from their bonds (eq. 6)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_atom", has_hidden_layer=True)
        self.register_buffer("outward", weights[f"{name}.mlp_out.layers.1.weight"].T)

    def forward(self, atoms: Tensor, bonds: Tensor, bond_weights: Tensor, graph: Bonds) -> Float[Tensor, "atoms dim"]:
        shares = (
            self.message.share(0, atoms)[graph.center]
            + self.message.share(1, bonds)[graph.bond]
            + self.message.share(2, atoms)[graph.neighbor]
        )
        messages = self.message(shares) * bond_weights[graph.bond]
        return atoms + torch.zeros_like(atoms).index_add(0, graph.center, messages) @ self.outward


class BondConvolution(nn.Module):
    """Bonds learn from the angles that they take part in (eq. 7)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_bond", has_hidden_layer=True)
        self.register_buffer("outward", weights[f"{name}.mlp_out.layers.1.weight"].T)

    def forward(
        self, atoms: Tensor, bonds: Tensor, bond_weights: Tensor, angles: Tensor, graph: Bonds
    ) -> Float[Tensor, "bonds dim"]:
        messages = self.message(_angle_shares(self.message, atoms, bonds, angles, graph))
        messages = messages * bond_weights[graph.angle_bond] * bond_weights[graph.angle_other_bond]
        return bonds + torch.zeros_like(bonds).index_add(0, graph.angle_bond, messages) @ self.outward


class AngleUpdate(nn.Module):
    """Angles learn from their bonds and their atom (eq. 8)."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_bond", has_hidden_layer=False)

    def forward(self, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: Bonds) -> Float[Tensor, "angles dim"]:
        return angles + self.message(_angle_shares(self.message, atoms, bonds, angles, graph))


def _angle_shares(message: GatedLayers, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: Bonds) -> Tensor:
    return (
        message.share(0, bonds)[graph.angle_bond]
        + message.share(1, bonds)[graph.angle_other_bond]
        + message.share(2, angles)
        + message.share(3, atoms)[graph.angle_atom]
    )


class CHGNetNetwork(nn.Module):
    """Total energy (eV) of one crystal from its bond vectors.

    Args:
        weights: The state of the package's model, by its names.
        cutoff: Longest bond, in Å.
        angle_cutoff: Longest bond that takes part in angles, in Å.
    """

    def __init__(self, weights: Weights, cutoff: float, angle_cutoff: float) -> None:
        super().__init__()
        expansion = "bond_basis_expansion.rbf_expansion"
        self.radial_basis = RadialBasis(weights[f"{expansion}_ag.frequencies"], cutoff)
        self.short_basis = RadialBasis(weights[f"{expansion}_bg.frequencies"], angle_cutoff)
        self.angle_basis = AngleBasis(weights["angle_basis_expansion.fourier_expansion.frequencies"])
        for name in ("bond_embedding", "bond_weights_ag", "bond_weights_bg", "angle_embedding"):
            self.register_buffer(name, weights[f"{name}.weight"].T)
        self.register_buffer("atom_embedding", weights["atom_embedding.embedding.weight"])
        self.register_buffer("reference_energies", weights["composition_model.fc.weight"].view(-1))
        self.atom_layers = nn.ModuleList(AtomConvolution(weights, f"atom_conv_layers.{i}") for i in range(4))
        self.bond_layers = nn.ModuleList(BondConvolution(weights, f"bond_conv_layers.{i}") for i in range(3))
        self.angle_layers = nn.ModuleList(AngleUpdate(weights, f"angle_layers.{i}") for i in range(3))
        self.register_buffer("norm", torch.stack([weights["readout_norm.weight"], weights["readout_norm.bias"]]))
        for i in (0, 2, 4, 7):
            self.register_buffer(f"readout_{i}", weights[f"mlp.layers.{i}.weight"])
            self.register_buffer(f"readout_bias_{i}", weights[f"mlp.layers.{i}.bias"])

    def forward(
        self, atomic_numbers: Int[Tensor, " atoms"], vectors: Float[Tensor, "bonds 3"], graph: Bonds
    ) -> Float[Tensor, ""]:
        lengths = vectors.norm(dim=1)
        waves = self.radial_basis(lengths)
        atoms = self.atom_embedding[atomic_numbers - 1]
        bonds = waves @ self.bond_embedding
        bond_weights = waves @ self.bond_weights_ag
        if len(graph.angle_atom):
            short_weights = self.short_basis(lengths) @ self.bond_weights_bg
            angles = self.angle_basis(_cosines(vectors / lengths[:, None], graph)) @ self.angle_embedding
        for i in range(3):
            atoms = self.atom_layers[i](atoms, bonds, bond_weights, graph)
            if len(graph.angle_atom):
                bonds = self.bond_layers[i](atoms, bonds, short_weights, angles, graph)
                if i < 2:
                    angles = self.angle_layers[i](atoms, bonds, angles, graph)
        atoms = self.atom_layers[3](atoms, bonds, bond_weights, graph)
        return self._readout(atoms) + self.reference_energies[atomic_numbers - 1].sum()

    def _readout(self, atoms: Float[Tensor, "atoms dim"]) -> Float[Tensor, ""]:
        features = functional.layer_norm(atoms, (DIM,), self.norm[0], self.norm[1])
        for i in (0, 2, 4):
            features = functional.silu(
                functional.linear(features, self.get_buffer(f"readout_{i}"), self.get_buffer(f"readout_bias_{i}"))
            )
        return functional.linear(features, self.readout_7, self.readout_bias_7).sum()


def _cosines(directions: Float[Tensor, "bonds 3"], graph: Bonds) -> Float[Tensor, " angles"]:
    """Cosine between the two arms of every angle."""
    arms = torch.cat([directions, -directions])
    return (arms[graph.angle_end] * arms[graph.angle_other_end]).sum(dim=1)
