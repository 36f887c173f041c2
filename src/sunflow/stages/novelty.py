"""Which crystals are unique and novel, relaxed or not, whatever their energies?"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.comparing import run_all
from sunflow.evaluation.comparison import log_failures
from sunflow.evaluation.rates import wilson_interval
from sunflow.evaluation.similarity import TRAIN, Similarity
from sunflow.evaluation.sun import count_true
from sunflow.evaluation.survey import Survey
from sunflow.evaluation.validity import defect
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp

WITHIN_THE_SET = ("unique", "same_as", "matches_none")
AGAINST_TRAIN = ("composition_new", "novel", "matched_train_id")
RATES = ("unique", "matches_none", "composition_new", "novel")


def novelty(crystals: Path, train: Path | None, threads: int, output: Path, output_table: Path) -> None:
    """Write one row per crystal, and one line with the rates of all that were requested.

    Without `train` nothing is said of novelty. A killed run continues from the journal beside its output.
    """
    given = read_crystals(crystals)
    files = [file_hash(path) for path in (crystals, train) if path is not None]
    work = stamp(files, code_fingerprint("sunflow.stages.novelty"))
    known = {TRAIN: read_crystals(train) if train else []}
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        there = [crystal for crystal in given if not defect(crystal)]
        survey = Survey(there, [None] * len(there), known, frozenset(), threads)
        outcomes = run_all(list(survey.tasks()), journal, threads)
        log_failures([*survey.failures(), *(failure for outcome in outcomes.values() for failure in outcome.failures)])
        found = survey.similarities(outcomes)
        names = [*WITHIN_THE_SET, *(AGAINST_TRAIN if train else ()), "comparison_reason"]
        table = pd.DataFrame([_row(crystal, found.get(crystal.crystal_id), names) for crystal in given])
        write_text(output_table, pd.DataFrame([rates(table)]).to_csv(index=False))
        write_text(output, table.to_csv(index=False))
        journal.remove()


def _row(crystal: Crystal, found: Similarity | None, names: list[str]) -> dict[str, Any]:
    told = asdict(found) if found else {}
    status = {"crystal_id": crystal.crystal_id, "status": crystal.status if found else "failed"}
    return {**status, "reason": defect(crystal), **{name: told.get(name) for name in names}}


def rates(table: pd.DataFrame) -> dict[str, Any]:
    """Shares of all requested crystals, with Wilson's intervals; a crystal without a verdict counts against them."""
    row: dict[str, Any] = {"num_requested": len(table)}
    for name in RATES:
        if name in table:
            count = count_true(table[name])
            row[f"{name}_rate"] = count / len(table)
            row[f"{name}_rate_low"], row[f"{name}_rate_high"] = wilson_interval(count, len(table))
    return row
