"""Crystals in Parquet: one row each, every requested crystal kept."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sunflow.atomic import atomic_path
from sunflow.crystals.crystal import Crystal

_FIELDS = {
    "crystal_id": pa.string(),
    "status": pa.string(),
    "reason": pa.string(),
    "lattice": pa.list_(pa.float64()),
    "frac_coords": pa.list_(pa.float64()),
    "atomic_numbers": pa.list_(pa.int64()),
}


def write_crystals(path: Path, crystals: Sequence[Crystal], metadata: dict[str, Any] | None = None) -> None:
    """Write one row per crystal, atomically; properties become columns, `metadata` goes into the file's header.

    Raises:
        ValueError: Two crystals have the same `crystal_id`.
    """
    repeated = [name for name, count in Counter(crystal.crystal_id for crystal in crystals).items() if count > 1]
    if repeated:
        raise ValueError(f"{path}: crystal_id {repeated[0]!r} occurs more than once")
    records = [crystal.to_record() for crystal in crystals]
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: pa.array([record.get(name) for record in records], _FIELDS.get(name)) for name in names or _FIELDS}
    table = pa.table(columns).replace_schema_metadata({"sunflow": json.dumps(metadata or {})})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_crystals(path: Path) -> list[Crystal]:
    """All crystals of a file that `write_crystals` wrote, failed ones included."""
    return [Crystal.from_record(record) for record in pq.read_table(path).to_pylist()]


def read_metadata(path: Path) -> dict[str, Any]:
    """What `write_crystals` was given as `metadata`."""
    return json.loads((pq.read_schema(path).metadata or {}).get(b"sunflow", b"{}"))
