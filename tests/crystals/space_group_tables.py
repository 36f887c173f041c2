"""The tables of all space groups, made once per process, and lattices that fit them."""

from functools import cache

import numpy as np
import spglib
import torch

from sunflow.crystals.international_tables import international_tables
from sunflow.crystals.lattice import lattice_from_parameters

GENERIC = torch.tensor([0.0713, 0.1947, 0.3951], dtype=torch.float64)
"""Free parameters that put no atom on a position of higher symmetry."""


@cache
def tables():
    return international_tables()


@cache
def spglib_operations(number):
    """All operations of the conventional cell, centrings included: (operations, 3, 3) and (operations, 3)."""
    found = spglib.get_symmetry_from_database(int(tables().hall_number[number]))
    return found["rotations"].astype(float), found["translations"]


def lattice_for(number, random, shortest=4.0, longest=10.0):
    """A conventional cell that the space group allows, and no group that contains it."""
    a, b, c = random.uniform(shortest, longest, 3)
    alpha = beta = gamma = 90.0
    if number < 3:
        alpha, beta, gamma = random.uniform(75, 105, 3)
    elif number < 16:
        beta = random.uniform(95, 115)
    elif number >= 75:
        b = a
        gamma = 120.0 if 143 <= number < 195 else 90.0
        c = a if number >= 195 else c
    lengths, angles = (torch.tensor([each], dtype=torch.float64) for each in ([a, b, c], [alpha, beta, gamma]))
    return lattice_from_parameters(lengths, angles)[0]


def points_on(positions, parameters=GENERIC):
    """A point of the first representative of every position."""
    maps = tables().positions[positions]
    return maps[:, :, :3] @ parameters + maps[:, :, 3]


def all_positions():
    """Group and letter index of all Wyckoff positions."""
    groups = torch.arange(1, 231)
    counts = tables().num_positions(groups)
    space_group = groups.repeat_interleave(counts)
    return space_group, torch.arange(len(space_group)) - tables().first_position[space_group]


def distinct(points, cell=None):
    """How many of these points differ by no lattice translation; rows of `cell` are lattice vectors."""
    inside = points @ np.linalg.inv(np.eye(3) if cell is None else cell)
    return len(np.unique(np.round(np.mod(inside, 1) + 1e-9, 6) % 1, axis=0))
