"""Tables with one crystal per row: a column of CIFs, or the project's own Parquet files."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sunflow.crystals.crystal import Property
from sunflow.crystals.files import read_crystals
from sunflow.crystals.sources import Entry

CIF_COLUMN = "cif"


def entries_of_csv(path: Path, id_names: tuple[str, ...]) -> list[Entry]:
    """One entry per row of a table of text, in which "NaN" is sodium nitride and 000017 is no number.

    Raises:
        ValueError: There is no column `cif`.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return _of_table(path, pa.Table.from_pandas(table, preserve_index=False), id_names)


def entries_of_parquet(path: Path, id_names: tuple[str, ...]) -> list[Entry]:
    """One entry per row of a table with CIFs, or of a file that `write_crystals` wrote.

    Raises:
        ValueError: It is neither.
    """
    if "atomic_numbers" not in pq.read_schema(path).names:
        return _of_table(path, pq.read_table(path), id_names)
    try:
        return [Entry(crystal.crystal_id, crystal, _scalars(crystal.properties)) for crystal in read_crystals(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has atomic_numbers, but is no file of Sunflow's crystals: {error!r}") from error


def _of_table(path: Path, table: pa.Table, id_names: tuple[str, ...]) -> list[Entry]:
    """One entry per row, named by the first of the columns `id_names` that there is; nameless without one."""
    if CIF_COLUMN not in table.column_names:
        raise ValueError(f"{path} has no column {CIF_COLUMN!r}; it has {', '.join(table.column_names)}")
    id_column = next((name for name in id_names if name in table.column_names), None)
    cifs = _texts(table, CIF_COLUMN)
    names = _texts(table, id_column) if id_column else [""] * len(cifs)
    return [Entry(name, cif) for name, cif in zip(names, cifs, strict=True)]


def _texts(table: pa.Table, column: str) -> list[str]:
    return ["" if cell is None else str(cell) for cell in table[column].to_pylist()]


def _scalars(properties: dict[str, Any]) -> dict[str, Property]:
    return {name: value for name, value in properties.items() if value is None or isinstance(value, float | int | str)}
