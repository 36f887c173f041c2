"""The 230 space groups as tensors: their operations, their primitive cells, their Wyckoff positions.

Coordinates are fractions of the conventional cell in the setting of PyXtal: unique axis b, hexagonal axes, origin
choice 2. Groups are numbered 1 to 230; the Wyckoff positions of a group are counted from 0 in the order of their
letters, a first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sunflow.atomic import atomic_path
from sunflow.crystals.kept_tables import make_room

NUM_GROUPS = 230
MAX_OPERATIONS = 48
"""Of a group, but for its lattice translations."""
LETTERS = "abcdefghijklmnopqrstuvwxyzA"
"""Of the Wyckoff positions; group 47 has them all."""
TABLES = {
    "first_operation": torch.zeros(0, dtype=torch.int64),
    "first_position": torch.zeros(0, dtype=torch.int64),
    "hall_number": torch.zeros(0, dtype=torch.int64),
    "primitive": torch.zeros(0, 3, 3, dtype=torch.float64),
    "operations": torch.zeros(0, 3, 4, dtype=torch.float64),
    "positions": torch.zeros(0, 3, 4, dtype=torch.float64),
    "multiplicity": torch.zeros(0, dtype=torch.int64),
    "degrees_of_freedom": torch.zeros(0, dtype=torch.int64),
    "site_symmetries": torch.zeros(0, 15, dtype=torch.int64),
    "first_alike": torch.zeros(0, dtype=torch.int64),
    "across": torch.zeros(0, 3, 4, dtype=torch.float64),
    "steps": torch.zeros(0, 3, 3, dtype=torch.float64),
    "makes_orbit": torch.zeros(0, MAX_OPERATIONS, dtype=torch.bool),
    "finds_image": torch.zeros(0, MAX_OPERATIONS, dtype=torch.bool),
}
"""Every table without rows: its name, type and shape."""


class SpaceGroups(nn.Module):
    """The tables as buffers, which a generator keeps with its weights.

    Tables of groups have a row for every number from 0 to 230, of which 0 means nothing. Tables of operations and of
    positions hold those of one group after another.

    Attributes:
        first_operation: Row of a group's first operation; one entry more says where the last group ends.
        first_position: Row of a group's first Wyckoff position, with the same last entry.
        hall_number: Of the setting, as spglib numbers them.
        primitive: Rows are right-handed vectors of a primitive cell, in units of the conventional ones.
        operations: Rotation and translation, one operation for every rotation.
        positions: The first representative of a Wyckoff position, as a map from its free parameters.
        multiplicity: Points of a position in the conventional cell.
        degrees_of_freedom: Dimension of a position.
        site_symmetries: Which of 13 operations a site has along each of 15 axes.
        first_alike: Row of the group's first position with the same site symmetry.
        across: Maps a point to its coordinates across the first representative, integers on the representative
            and on its translated images; as many as degrees of freedom are missing, then zeros.
        steps: Columns are the lattice vectors of these coordinates, seen along the representative.
        makes_orbit: Which of the group's operations, applied to a point of the first representative, make the points
            of its orbit in a primitive cell.
        finds_image: Which of the group's operations bring the images of the first representative back to it, each
            image once, but for lattice translations.

    Args:
        tables: By their names; without them there are no rows, until a state dict is loaded.
    """

    first_operation: Int[Tensor, " groups_and_end"]
    first_position: Int[Tensor, " groups_and_end"]
    hall_number: Int[Tensor, " groups"]
    primitive: Float[Tensor, "groups 3 3"]
    operations: Float[Tensor, "operations 3 4"]
    positions: Float[Tensor, "positions 3 4"]
    multiplicity: Int[Tensor, " positions"]
    degrees_of_freedom: Int[Tensor, " positions"]
    site_symmetries: Int[Tensor, "positions 15"]
    first_alike: Int[Tensor, " positions"]
    across: Float[Tensor, "positions 3 4"]
    steps: Float[Tensor, "positions 3 3"]
    makes_orbit: Bool[Tensor, "positions 48"]
    finds_image: Bool[Tensor, "positions 48"]

    def __init__(self, tables: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        for name, empty in TABLES.items():
            self.register_buffer(name, empty.clone() if tables is None else tables[name])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Make room for as many rows as there are."""
        make_room(self, TABLES, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def num_operations(self, space_group: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
        """How many operations a group has, but for lattice translations."""
        return self.first_operation[space_group + 1] - self.first_operation[space_group]

    def num_positions(self, space_group: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
        """How many Wyckoff positions a group has."""
        return self.first_position[space_group + 1] - self.first_position[space_group]

    def position(self, space_group: Int[Tensor, "*rows"], wyckoff: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
        """The row of a Wyckoff position in the tables of all."""
        return self.first_position[space_group] + wyckoff

    def num_points(self, space_group: Int[Tensor, "*rows"], wyckoff: Int[Tensor, "*rows"]) -> Int[Tensor, "*rows"]:
        """Points of a Wyckoff position in a primitive cell."""
        return self.makes_orbit[self.position(space_group, wyckoff)].sum(-1)

    def site_symmetry(
        self, space_group_of_atom: Int[Tensor, " atoms"], wyckoff: Int[Tensor, " atoms"]
    ) -> Int[Tensor, "atoms 15"]:
        """Which of 13 operations the site of an atom has along each of 15 axes."""
        return self.site_symmetries[self.position(space_group_of_atom, wyckoff)]


def write_space_groups(path: Path, space_groups: SpaceGroups) -> None:
    """Write the tables as safetensors, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: table.cpu().contiguous() for name, table in space_groups.state_dict().items()}, temporary)


def read_space_groups(path: Path) -> SpaceGroups:
    """The tables that `write_space_groups` wrote.

    Raises:
        ValueError: It is no such file.
    """
    try:
        return SpaceGroups(load_file(path))
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"{path} holds no space groups ({error!r}): remove it, and make it again") from error
