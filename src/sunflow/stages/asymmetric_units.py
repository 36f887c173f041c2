"""Find the asymmetric unit of every crystal of a file."""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from sunflow.atomic import write_text
from sunflow.crystals.asymmetric_unit import asymmetric_unit
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.crystal_systems import CRYSTAL_SYSTEMS
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.crystals.space_groups import read_space_groups
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.resumable import map_resumable
from sunflow.stages.command import StageError, run
from sunflow.workers import Died

logger = logging.getLogger(__name__)


def asymmetric_units(
    settings: dict, crystals: Path, space_groups: Path, threads: int, output: Path, output_summary: Path
) -> None:
    """Write one row per crystal, failed ones included, and how many were kept and dropped and why.

    `settings` holds symprec, the tolerance in Å. A killed run continues from the journal beside its output.
    """
    try:
        read_space_groups(space_groups)
    except ValueError as error:
        raise StageError(str(error)) from error
    hashes = [file_hash(path) for path in (crystals, space_groups)]
    work = stamp(settings, *hashes, code_fingerprint("sunflow.stages.asymmetric_units"))
    given = read_crystals(crystals)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        encode = partial(_encoding, space_groups, settings["symprec"])
        records = map_resumable(encode, given, journal, threads, "finding asymmetric units", "crystals", _of_died)
        units = [Crystal.from_record(record) for record in records]
        assert [unit.crystal_id for unit in units] == [crystal.crystal_id for crystal in given], "a crystal was lost"
        log_failures(crystals, units)
        write_text(output_summary, pd.DataFrame(counted(units)).to_csv(index=False))
        write_crystals(output, units, read_metadata(crystals) | settings)
        journal.remove()


def _encoding(space_groups: Path, symprec: float) -> Callable[[Crystal], dict[str, Any]]:
    torch.set_num_threads(1)
    tables = read_space_groups(space_groups)
    return lambda crystal: asymmetric_unit(crystal, tables, symprec).to_record()


def _of_died(crystal: Crystal, died: Died) -> dict[str, Any]:
    reason = f"the process died: exit code {died.exit_code}"
    return Crystal.failure(crystal.crystal_id, reason, **crystal.properties).to_record()


def log_failures(path: Path, units: list[Crystal]) -> None:
    """Say which crystals have no asymmetric unit, and why."""
    for unit in units:
        if unit.status != "ok":
            logger.warning("%s: %s dropped: %s", path, unit.crystal_id, unit.reason)


def counted(units: list[Crystal]) -> list[dict[str, Any]]:
    """Rows of the summary: how many crystals were kept, dropped for which reason, and of which crystal system."""
    kept = [unit for unit in units if unit.status == "ok"]
    dropped = Counter(unit.reason.partition(":")[0] for unit in units if unit.status != "ok")
    rows = [("kept", "", len(kept))]
    rows += [("dropped", reason, count) for reason, count in sorted(dropped.items())]
    for system, numbers in CRYSTAL_SYSTEMS.items():
        rows.append(("crystal system", system, sum(unit.properties["space_group"] in numbers for unit in kept)))
    return [dict(zip(("outcome", "reason", "crystals"), row, strict=True)) for row in rows]


if __name__ == "__main__":
    run(asymmetric_units)
