"""Crystals as they come: tables with a CIF column, folders of CIFs, and the project's own Parquet files."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from sunflow.crystals.crystal import Crystal, Property
from sunflow.crystals.files import read_crystals


@dataclass(frozen=True)
class Entry:
    """One crystal of a source, not yet read: either its CIF or the crystal itself.

    Attributes:
        crystal_id: Its name there.
        content: Text of a CIF, or a crystal.
        properties: Named values.
    """

    crystal_id: str
    content: str | Crystal
    properties: dict[str, Property] = field(default_factory=dict)


def read_entries(path: Path, id_column: str, cif_column: str, properties: dict[str, str]) -> list[Entry]:
    """The entries of a file or folder; `properties` maps our names to columns.

    Raises:
        ValueError: A column is missing, or there is nothing to read.
    """
    if path.is_dir():
        entries = [Entry(file.stem, file.read_text(errors="replace")) for file in sorted(path.glob("*.cif"))]
    elif path.suffix == ".parquet" and "atomic_numbers" in pq.read_schema(path).names:
        entries = [Entry(crystal.crystal_id, crystal, crystal.properties) for crystal in read_crystals(path)]
    else:
        entries = _of_table(path, id_column, cif_column, properties)
    if not entries:
        raise ValueError(f"{path} holds no crystals")
    return entries


def _of_table(path: Path, id_column: str, cif_column: str, properties: dict[str, str]) -> list[Entry]:
    """Entries of a CSV or Parquet table; "NaN" is text here (sodium nitride), only an empty cell is missing."""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in (id_column, cif_column, *properties.values()):
        if column not in table:
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(map(str, table.columns))}")
    columns = {name: [_value(cell) for cell in table[column]] for name, column in properties.items()}
    return [
        Entry(str(crystal_id), str(cif), {name: values[row] for name, values in columns.items()})
        for row, (crystal_id, cif) in enumerate(zip(table[id_column], table[cif_column], strict=True))
    ]


def _value(cell: object) -> Property:
    """A number where it is one, None where the cell is empty or not a number, otherwise its text."""
    if cell is None or cell == "" or cell != cell:
        return None
    try:
        number = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(cell)
    return number if number == number else None
