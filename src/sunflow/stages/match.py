"""Compare every predicted structure with the one that its composition has."""

import logging
from collections import Counter
from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.metre import pairs_with_others, smallest_rmsds
from sunflow.evaluation.parallel import judge_all
from sunflow.evaluation.structure_prediction import COLUMNS, STATUSES, Pair, pair_by_id
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.stages.command import StageError, run

logger = logging.getLogger(__name__)


def match(samples: Path, test: Path, threads: int, output: Path) -> None:
    """Write one row per prediction: is it valid, does it match its target in `test`, and how closely (`rmsd`).

    `metre_rmsd` is how closely any prediction of the composition matches the target, be it a prediction of another.
    The crystals of `samples` name their target by the property `target_id`, and count its predictions from 0 by
    `candidate`. The positive control, crystals of the test split itself, has neither: each is compared with itself. A
    killed run continues from the journal beside its output.

    Raises:
        StageError: A prediction has no target, or another composition than it.
    """
    pairs = read_pairs(samples, test)
    work = stamp(file_hash(samples), file_hash(test), code_fingerprint("sunflow.stages.match"))
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        rows = judge_all([*pairs, *pairs_with_others(pairs)], journal, threads)
        table = pd.DataFrame(rows[: len(pairs)], columns=list(COLUMNS), dtype=object)
        table["metre_rmsd"] = table["target_id"].map(smallest_rmsds(rows))
        log_counts(table)
        assert table["status"].isin(STATUSES).sum() == len(table) == len(pairs), "a prediction was lost"
        write_text(output, table.to_csv(index=False))
        journal.remove()


def read_pairs(samples: Path, test: Path) -> list[Pair]:
    """The predictions with their targets.

    Raises:
        StageError: They do not belong together, or there are none.
    """
    try:
        pairs = pair_by_id(read_crystals(samples), read_crystals(test))
    except ValueError as error:
        raise StageError(f"{samples}, {test}: {error}") from error
    if not pairs:
        raise StageError(f"{samples} holds no prediction")
    return pairs


def log_counts(table: pd.DataFrame) -> None:
    """Say what came of the predictions, and why some could not be compared."""
    counts = Counter(table["status"])
    matches, targets = int(table["rmsd"].notna().sum()), table["target_id"].nunique()
    logger.info("%d predictions of %d targets: %s, %d matches", len(table), targets, dict(counts), matches)
    for reason, count in Counter(table["reason"][table["status"].eq("not_compared")]).items():
        logger.warning("%d could not be compared: %s", count, reason)


if __name__ == "__main__":
    run(match)
