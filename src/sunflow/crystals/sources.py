"""Crystals as they come: tables with a CIF column, folders of CIFs, and the project's own Parquet files."""

import difflib
import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sunflow.crystals.crystal import Crystal, Property
from sunflow.crystals.files import read_crystals

UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
    pa.ArrowInvalid,
)


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
    """The entries of a file or folder; `properties` maps our names to columns of numbers.

    Raises:
        ValueError: The file cannot be read, a column is missing, a cell is not what it should be, or there is nothing.
    """
    try:
        if path.is_dir():
            entries = _of_folder(path, properties)
        elif path.suffix == ".parquet" and "atomic_numbers" in pq.read_schema(path).names:
            entries = [Entry(crystal.crystal_id, crystal, crystal.properties) for crystal in read_crystals(path)]
        else:
            entries = _of_table(path, _table(path), id_column, cif_column, properties)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not entries:
        raise ValueError(f"{path} holds no crystals{' (no *.cif)' if path.is_dir() else ''}")
    return entries


def _of_folder(path: Path, properties: dict[str, str]) -> list[Entry]:
    if properties:
        raise ValueError(f"{path} is a folder of CIFs, which has no columns for properties")
    return [Entry(file.stem, file.read_text(errors="replace")) for file in sorted(path.glob("*.cif"))]


def _table(path: Path) -> pd.DataFrame:
    """A table in which "NaN" is text (sodium nitride), and only an empty cell is missing."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _of_table(
    path: Path, table: pd.DataFrame, id_column: str, cif_column: str, properties: dict[str, str]
) -> list[Entry]:
    for column in (id_column, cif_column, *properties.values()):
        if column not in table:
            near = difflib.get_close_matches(column, map(str, table.columns), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{path} has no column {column!r}; it has {', '.join(map(str, table.columns))}{hint}")
    columns = {name: _numbers(path, table[column]) for name, column in properties.items()}
    texts = [["" if pd.isna(cell) else str(cell) for cell in table[column]] for column in (id_column, cif_column)]
    if "" in texts[0]:
        raise ValueError(f"{path}, column {id_column!r}, row {texts[0].index('') + 1}: the crystal has no name")
    return [
        Entry(crystal_id, cif, {name: values[row] for name, values in columns.items()})
        for row, (crystal_id, cif) in enumerate(zip(*texts, strict=True))
    ]


def _numbers(path: Path, column: pd.Series) -> list[Property]:
    """The numbers of a column; None where a cell is empty or says that it is not a number."""
    numbers: list[Property] = []
    for row, cell in enumerate(column, start=1):
        try:
            number = math.nan if cell is None or cell == "" else float(cell)
        except (TypeError, ValueError):
            number = math.inf
        if math.isinf(number):
            raise ValueError(f"{path}, column {column.name!r}, row {row}: {cell!r} is not a finite number")
        numbers.append(None if math.isnan(number) else number)
    return numbers
