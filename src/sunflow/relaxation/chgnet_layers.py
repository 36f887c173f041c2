"""The layers of CHGNet (Deng et al., Nature Machine Intelligence 5, 1031, 2023), for evaluation with fixed weights.

The same functions as those of the `chgnet` package, from the same weights, arranged for relaxation: where a layer reads
concatenated atoms, bonds and angles, each kind is multiplied by its own block of the matrix before it is spread over
bonds or angles, so that an atom's share is computed once and not once per bond.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sunflow.relaxation.bond_graph import BondGraph

DIM = 64
"""Features of an atom, a bond or an angle."""
Weights = dict[str, Tensor]
"""The state of the package's model, by its names."""


class RadialBasis(nn.Module):
    """Sine waves over the bond length, under an envelope of exponent 8 that vanishes smoothly at the cutoff (Å)."""

    frequencies: Tensor

    def __init__(self, frequencies: Tensor, cutoff: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.cutoff = cutoff

    def forward(self, lengths: Float[Tensor, " bonds"]) -> Float[Tensor, "bonds waves"]:
        """Expand lengths in Å."""
        scaled = (lengths / self.cutoff)[:, None]
        waves = (2 / self.cutoff) ** 0.5 * torch.sin(self.frequencies * scaled) / lengths[:, None]
        return torch.where(scaled < 1, envelope(scaled), 0.0) * waves


def envelope(scaled: Float[Tensor, "bonds 1"]) -> Float[Tensor, "bonds 1"]:
    """1 - 45x⁸ + 80x⁹ - 36x¹⁰ as (1 - x)³ (1 + 3x + 6x² + … + 36x⁷).

    The plain sum loses its digits near the cutoff: in single precision, forces are then off by up to 6e-4 eV/Å.
    """
    quotient = torch.full_like(scaled, 36.0)
    for coefficient in (28, 21, 15, 10, 6, 3, 1):
        quotient = quotient * scaled + coefficient
    return (1 - scaled) ** 3 * quotient


class AngleBasis(nn.Module):
    """Fourier series of the angle between two bonds."""

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)

    def forward(self, angles: Float[Tensor, " angles"]) -> Float[Tensor, "angles waves"]:
        """Expand angles in radians."""
        phases = angles[:, None] * self.frequencies
        constant = torch.full_like(phases[:, :1], 0.5**0.5)
        return torch.cat([constant, torch.sin(phases), torch.cos(phases)], dim=1) / torch.pi**0.5


class GatedLayers(nn.Module):
    """SiLU(LayerNorm(core)) · sigmoid(LayerNorm(gate)), both read from the same several kinds of features."""

    inward: Tensor
    bias: Tensor
    outward: Tensor
    outward_bias: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, weights: Weights, name: str, has_hidden_layer: bool) -> None:
        super().__init__()
        branches = [f"{name}.mlp_core", f"{name}.mlp_gate"]
        layer = "layers.0" if has_hidden_layer else "layers.1"
        stacked = torch.cat([weights[f"{branch}.{layer}.weight"] for branch in branches])
        self.register_buffer("inward", torch.stack([block.T.contiguous() for block in stacked.split(DIM, dim=1)]))
        self.register_buffer("bias", torch.cat([weights[f"{branch}.{layer}.bias"] for branch in branches]))
        self.has_hidden_layer = has_hidden_layer
        if has_hidden_layer:
            self.register_buffer(
                "outward", torch.stack([weights[f"{branch}.layers.3.weight"].T for branch in branches])
            )
            self.register_buffer(
                "outward_bias", torch.stack([weights[f"{branch}.layers.3.bias"] for branch in branches])
            )
        norms = [f"{name}.bn1", f"{name}.bn2"]
        self.register_buffer("scale", torch.stack([weights[f"{norm}.weight"] for norm in norms]))
        self.register_buffer("shift", torch.stack([weights[f"{norm}.bias"] for norm in norms]))

    def share(self, kind: int, features: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows branches"]:
        """What features of this kind (by their place in the concatenation) contribute to the first layer."""
        return features @ self.inward[kind]

    def forward(self, shares: Float[Tensor, "rows branches"]) -> Float[Tensor, "rows dim"]:
        """The gated output, from the sum of all shares."""
        core, gate = (shares + self.bias).split(DIM, dim=1)
        if self.has_hidden_layer:
            core = torch.addmm(self.outward_bias[0], functional.silu(core), self.outward[0])
            gate = torch.addmm(self.outward_bias[1], functional.silu(gate), self.outward[1])
        core = functional.layer_norm(core, (DIM,), self.scale[0], self.shift[0])
        gate = functional.layer_norm(gate, (DIM,), self.scale[1], self.shift[1])
        return functional.silu(core) * torch.sigmoid(gate)


class AtomConvolution(nn.Module):
    """Atoms learn from their bonds."""

    outward: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_atom", has_hidden_layer=True)
        self.register_buffer("outward", weights[f"{name}.mlp_out.layers.1.weight"].T)

    def forward(
        self, atoms: Tensor, bonds: Tensor, bond_weights: Tensor, graph: BondGraph
    ) -> Float[Tensor, "atoms dim"]:
        """The atoms' new features."""
        shares = (
            self.message.share(0, atoms)[graph.center]
            + self.message.share(1, bonds).repeat(2, 1)
            + self.message.share(2, atoms)[graph.neighbor]
        )
        messages = self.message(shares) * bond_weights.repeat(2, 1)
        return atoms + torch.zeros_like(atoms).index_add(0, graph.center, messages) @ self.outward


class BondConvolution(nn.Module):
    """Bonds learn from the angles that they take part in."""

    outward: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_bond", has_hidden_layer=True)
        self.register_buffer("outward", weights[f"{name}.mlp_out.layers.1.weight"].T)

    def forward(
        self, atoms: Tensor, bonds: Tensor, bond_weights: Tensor, angles: Tensor, graph: BondGraph
    ) -> Float[Tensor, "bonds dim"]:
        """The bonds' new features."""
        messages = self.message(_angle_shares(self.message, atoms, bonds, angles, graph))
        messages = messages * bond_weights[graph.angle_bond] * bond_weights[graph.angle_other_bond]
        return bonds + torch.zeros_like(bonds).index_add(0, graph.angle_bond, messages) @ self.outward


class AngleUpdate(nn.Module):
    """Angles learn from their bonds and their atom."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.message = GatedLayers(weights, f"{name}.twoBody_bond", has_hidden_layer=False)

    def forward(self, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: BondGraph) -> Float[Tensor, "angles dim"]:
        """The angles' new features."""
        return angles + self.message(_angle_shares(self.message, atoms, bonds, angles, graph))


def _angle_shares(message: GatedLayers, atoms: Tensor, bonds: Tensor, angles: Tensor, graph: BondGraph) -> Tensor:
    return (
        message.share(0, bonds)[graph.angle_bond]
        + message.share(1, bonds)[graph.angle_other_bond]
        + message.share(2, angles)
        + message.share(3, atoms)[graph.angle_atom]
    )
