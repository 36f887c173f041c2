"""The tables of the space groups, from PyXtal."""

from collections import defaultdict
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pyxtal.symmetry import Group, Wyckoff_position

from sunflow.crystals.space_groups import LETTERS, MAX_OPERATIONS, NUM_GROUPS, TABLES, SpaceGroups
from sunflow.crystals.wyckoff_subspaces import CUBIC, HEXAGONAL, exact, first_alike, primitive_cell, subspace

TRIGONAL_AND_HEXAGONAL = range(143, 195)


def international_tables() -> SpaceGroups:
    """All space groups, as PyXtal has them."""
    columns: dict[str, list[Any]] = defaultdict(list)
    for number in range(1, NUM_GROUPS + 1):
        _add_group(columns, Group(number))
    rows = {name: np.array(values) for name, values in columns.items()}
    rows |= {name: np.concatenate([np.zeros_like(rows[name][:1]), rows[name]]) for name in ("hall_number", "primitive")}
    for name, counts in (("first_operation", "num_operations"), ("first_position", "num_positions")):
        rows[name] = np.array([0, *accumulate(rows[counts], initial=0)])
    return SpaceGroups({name: torch.tensor(rows[name], dtype=empty.dtype) for name, empty in TABLES.items()})


def _add_group(columns: dict[str, list[Any]], group: Group) -> None:
    """Add the rows of a group, its operations and its positions."""
    general = np.array([exact(operation.affine_matrix[:3]) for operation in group[0].ops])
    rotations = general[:, :, :3].astype(np.int64)
    operations = general[first_alike(rotations.reshape(-1, 9)) == np.arange(len(general))]
    centrings = general[(rotations == np.eye(3)).all(axis=(1, 2)), :, 3]
    metric = HEXAGONAL if group.number in TRIGONAL_AND_HEXAGONAL else CUBIC
    primitive = primitive_cell(centrings, metric)
    positions = sorted(group.Wyckoff_positions, key=lambda position: LETTERS.index(position.letter))
    symmetries = np.array([site_symmetry(position) for position in positions])
    columns["first_alike"] += (len(columns["positions"]) + first_alike(symmetries)).tolist()
    columns["site_symmetries"] += symmetries.tolist()
    columns["hall_number"].append(group.hall_number)
    columns["primitive"].append(primitive)
    columns["operations"] += list(operations)
    columns["num_operations"].append(len(operations))
    columns["num_positions"].append(len(positions))
    for position in positions:
        _add_position(columns, position, operations, primitive, metric)


def _add_position(
    columns: dict[str, list[Any]],
    position: Wyckoff_position,
    operations: Float[np.ndarray, "operations 3 4"],
    primitive: Float[np.ndarray, "3 3"],
    metric: Float[np.ndarray, "3 3"],
) -> None:
    representative = exact(position.ops[0].affine_matrix[:3])
    columns["positions"].append(representative)
    columns["multiplicity"].append(position.multiplicity)
    columns["degrees_of_freedom"].append(position.get_dof())
    there = subspace(representative, operations, primitive, metric)
    columns["across"].append(there.across)
    columns["steps"].append(there.steps)
    for name in ("makes_orbit", "finds_image"):
        columns[name].append(np.pad(getattr(there, name), (0, MAX_OPERATIONS - len(operations))))


def site_symmetry(position: Wyckoff_position) -> list[int]:
    """Which of 13 operations the site has along each of 15 axes."""
    return position.get_site_symmetry_object().to_one_hot().argmax(axis=1).tolist()
