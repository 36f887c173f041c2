"""The values of a property in a file of crystals."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sunflow.stages.command import StageError

OWN = ("crystal_id", "status", "reason", "lattice", "frac_coords", "atomic_numbers")
"""Columns of every file of crystals, which are no properties."""


def property_values(crystals: Path, name: str) -> dict[str, float | None]:
    """crystal_id → value, None where it is missing or not finite.

    Raises:
        StageError: The file has no such column, or it holds no numbers.
    """
    schema = pq.read_schema(crystals)
    numeric = [field.name for field in schema if field.name not in OWN and _is_numeric(field.type)]
    if name not in numeric:
        known = f"its numeric columns are {', '.join(numeric)}" if numeric else "it has no numeric columns"
        raise StageError(
            f"{crystals} has no numeric column {name!r}; {known}: name one of them as model.property, or list it"
            " under the dataset's properties"
        )
    table = pq.read_table(crystals, columns=["crystal_id", name])
    pairs = zip(table["crystal_id"].to_pylist(), table[name].to_pylist(), strict=True)
    return {str(key): float(value) if value is not None and math.isfinite(value) else None for key, value in pairs}


def _is_numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
