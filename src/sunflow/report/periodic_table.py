"""The periodic table as a grid."""

from dataclasses import dataclass

from pymatgen.core import Element

_F_BLOCK_COLUMN = 3
_F_BLOCK_ROW_OFFSET = 3


@dataclass(frozen=True)
class Cell:
    """Where an element stands: rows and columns count from 1, the f block below after an empty row."""

    symbol: str
    atomic_number: int
    row: int
    column: int


def cells() -> list[Cell]:
    """All 118 elements."""
    return [_cell(Element.from_Z(z)) for z in range(1, 119)]


def _cell(element: Element) -> Cell:
    first = {6: 57, 7: 89}
    for period, start in first.items():
        if start <= element.Z < start + 15:
            return Cell(element.symbol, element.Z, period + _F_BLOCK_ROW_OFFSET, element.Z - start + _F_BLOCK_COLUMN)
    return Cell(element.symbol, element.Z, element.row, element.group)
