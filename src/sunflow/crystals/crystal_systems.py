"""The seven crystal systems. Imports nothing."""

CRYSTAL_SYSTEMS = {
    "triclinic": range(1, 3),
    "monoclinic": range(3, 16),
    "orthorhombic": range(16, 75),
    "tetragonal": range(75, 143),
    "trigonal": range(143, 168),
    "hexagonal": range(168, 195),
    "cubic": range(195, 231),
}
"""Name of the system → numbers of its space groups."""


def numbers_of(space_groups: list[int | str]) -> list[int]:
    """The numbers of space groups, some of which are named by their crystal system."""
    named = {number for each in space_groups if isinstance(each, str) for number in CRYSTAL_SYSTEMS[each]}
    return sorted(named.union(each for each in space_groups if isinstance(each, int)))
