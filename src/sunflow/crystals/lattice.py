"""Lattice matrices (rows a, b, c in Å) and their six parameters."""

import torch
from jaxtyping import Float
from torch import Tensor


def lattice_from_parameters(
    lengths: Float[Tensor, "crystals 3"], angles: Float[Tensor, "crystals 3"]
) -> Float[Tensor, "crystals 3 3"]:
    """The matrix in the canonical orientation: c along z, a in the xz plane. Lengths in Å, angles in degrees."""
    a, b, c = lengths.unbind(-1)
    cos_alpha, cos_beta, cos_gamma = torch.cos(torch.deg2rad(angles)).unbind(-1)
    sin_alpha, sin_beta = torch.sin(torch.deg2rad(angles[..., :2])).unbind(-1)
    cos_gamma_star = ((cos_alpha * cos_beta - cos_gamma) / (sin_alpha * sin_beta)).clamp(-1, 1)
    sin_gamma_star = torch.sqrt(1 - cos_gamma_star**2)
    zero = torch.zeros_like(a)
    rows = [
        torch.stack([a * sin_beta, zero, a * cos_beta], -1),
        torch.stack([-b * sin_alpha * cos_gamma_star, b * sin_alpha * sin_gamma_star, b * cos_alpha], -1),
        torch.stack([zero, zero, c], -1),
    ]
    return torch.stack(rows, -2)


def lattice_parameters(
    lattice: Float[Tensor, "crystals 3 3"],
) -> tuple[Float[Tensor, "crystals 3"], Float[Tensor, "crystals 3"]]:
    """Lengths in Å and angles alpha, beta, gamma in degrees."""
    lengths = lattice.norm(dim=-1)
    unit = lattice / lengths[..., None]
    cosines = (unit.roll(-1, dims=-2) * unit.roll(-2, dims=-2)).sum(-1)
    return lengths, torch.rad2deg(torch.acos(cosines.clamp(-1, 1)))


def canonical_orientation(lattice: Float[Tensor, "crystals 3 3"]) -> Float[Tensor, "crystals 3 3"]:
    """The same cell, turned so that c lies along z and a in the xz plane."""
    return lattice_from_parameters(*lattice_parameters(lattice))
