"""Lattices as six numbers of which the crystal family fixes some (DiffCSP++, Jiao et al., 2024, table 1).

A lattice L is S·Q with a rotation Q and the symmetric S = exp(Σ kᵢ Bᵢ). The B are orthogonal to one another and not
normalised; k₆ is the logarithm of the volume over 3.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

HEXAGONAL = -math.log(3) / 4
"""k₁ of cells with γ = 120° and a = b."""

FAMILIES: tuple[tuple[int, str, tuple[bool, ...]], ...] = (
    (2, "triclinic", (True, True, True, True, True, True)),
    (15, "monoclinic", (False, True, False, True, True, True)),
    (74, "orthorhombic", (False, False, False, True, True, True)),
    (142, "tetragonal", (False, False, False, False, True, True)),
    (194, "hexagonal", (False, False, False, False, True, True)),
    (230, "cubic", (False, False, False, False, False, True)),
)
"""The last space group of each crystal family, its name, and which of its coefficients are free."""

_BASIS = torch.tensor(
    [
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, -2]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ],
    dtype=torch.float64,
)


def lattice_coefficients(lattice: Float[Tensor, "crystals 3 3"]) -> Float[Tensor, "crystals 6"]:
    """The coefficients k of lattices with these rows, in Å (SymmBFN, eq. 1)."""
    metric = lattice.double() @ lattice.double().mT
    squares, axes = torch.linalg.eigh(metric)
    log_s = (axes * torch.log(squares)[:, None] / 2) @ axes.mT
    basis = _BASIS.to(lattice.device)
    products = torch.einsum("nij,kij->nk", log_s, basis)
    return (products / basis.square().sum((1, 2))).to(lattice.dtype)


def lattice_of_coefficients(coefficients: Float[Tensor, "crystals 6"]) -> Float[Tensor, "crystals 3 3"]:
    """The symmetric lattices S of these coefficients, rows in Å; not finite where the coefficients are not."""
    log_s = torch.einsum("nk,kij->nij", coefficients.double(), _BASIS.to(coefficients.device))
    return torch.linalg.matrix_exp(log_s).to(coefficients.dtype)


def free_coefficients(space_group: Int[Tensor, " crystals"]) -> Bool[Tensor, "crystals 6"]:
    """Which coefficients the space group (1 … 230) leaves free."""
    free = torch.tensor([free for *_, free in FAMILIES], device=space_group.device)
    return free[_family(space_group)]


def fixed_coefficients(space_group: Int[Tensor, " crystals"]) -> Float[Tensor, "crystals 6"]:
    """The values of those that it fixes; 0 for the free ones."""
    fixed = torch.zeros(len(FAMILIES), 6, device=space_group.device, dtype=torch.get_default_dtype())
    fixed[4, 0] = HEXAGONAL
    return fixed[_family(space_group)]


def _family(space_group: Int[Tensor, " crystals"]) -> Int[Tensor, " crystals"]:
    last = torch.tensor([last for last, *_ in FAMILIES], device=space_group.device)
    return torch.searchsorted(last, space_group.contiguous())
