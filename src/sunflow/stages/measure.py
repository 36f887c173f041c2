"""Measure every crystal of a file: validity, density, space group, fingerprints."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sunflow.atomic import atomic_path, write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.measures import COLUMNS, FINGERPRINTS, measure, nothing_of
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.resumable import map_resumable
from sunflow.stages.command import run
from sunflow.workers import Died

logger = logging.getLogger(__name__)
FEATURES = pa.list_(pa.float64())


def measure_crystals(crystals: Path, threads: int, output: Path, output_table: Path | None = None) -> None:
    """Write one row per crystal as Parquet, and without the fingerprints as CSV for people.

    The work depends on the content of `crystals` alone, and is not done again where `output` holds it. A killed run
    continues from the journal beside its output.
    """
    work = stamp(file_hash(crystals), code_fingerprint("sunflow.stages.measure"))
    if stamp_of(output) != work:
        with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
            given = read_crystals(crystals)
            rows = map_resumable(_measuring, given, journal, threads, "measuring", "crystals", _of_died)
            assert [row["crystal_id"] for row in rows] == [crystal.crystal_id for crystal in given], (
                "a crystal was lost"
            )
            write_measures(output, rows, work)
            journal.remove()
    table = pq.read_table(output, columns=[name for name in COLUMNS if name not in FINGERPRINTS]).to_pandas()
    log_counts(table)
    if output_table is not None:
        write_text(output_table, table.to_csv(index=False))


def _measuring() -> Any:
    return measure


def _of_died(crystal: Crystal, died: Died) -> dict[str, Any]:
    return nothing_of(crystal, f"the process died on this crystal, exit code {died.exit_code}")


def write_measures(path: Path, rows: list[dict[str, Any]], work: str) -> None:
    """Rows with `COLUMNS`, and in the file's header what they were made from."""
    kinds = {name: FEATURES for name in FINGERPRINTS} | {"space_group": pa.int64(), "density": pa.float64()}
    columns = {name: pa.array([row[name] for row in rows], kinds.get(name)) for name in COLUMNS}
    table = pa.table(columns).replace_schema_metadata({"sunflow": json.dumps({"stamp": work})})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def stamp_of(path: Path) -> str | None:
    """What a file of measures was made from; None where there is no such file."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return json.loads(metadata[b"sunflow"])["stamp"]
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None


def log_counts(table: pd.DataFrame) -> None:
    """Say how many are valid, and why others could not be measured."""
    logger.info(
        "%d crystals: %d valid, %d without fingerprints",
        len(table),
        table["valid"].sum(),
        (~table["fingerprinted"]).sum(),
    )
    reasons = Counter(reason.split(":")[0] for reason in table["fingerprint_reason"] if reason)
    for reason, count in reasons.most_common():
        logger.warning("%d crystals without fingerprints: %s", count, reason)


if __name__ == "__main__":
    run(measure_crystals)
