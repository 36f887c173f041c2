"""Write the tables of all space groups."""

from pathlib import Path

from sunflow.crystals.international_tables import international_tables
from sunflow.crystals.space_groups import write_space_groups
from sunflow.stages.command import run


def space_groups(output: Path) -> None:
    """Write the operations and Wyckoff positions of the 230 space groups, as PyXtal has them."""
    write_space_groups(output, international_tables())


if __name__ == "__main__":
    run(space_groups)
