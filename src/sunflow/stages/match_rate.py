"""Match rate and RMSE of every generator and number of steps, beside those of the test crystals themselves."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sunflow.atomic import atomic_path, write_text
from sunflow.evaluation.bootstrap import bootstrap_interval
from sunflow.evaluation.match_rate import FILTERS, SEED, match_rate_of, numbers_of_candidates
from sunflow.evaluation.metre import metre
from sunflow.evaluation.rates import wilson_interval
from sunflow.evaluation.structure_prediction import STATUSES, TOLERANCES
from sunflow.report.step_figure import write_step_figure
from sunflow.stages.command import StageError, logger, run
from sunflow.stages.measured import published_rows

NAMES = ("generator", "task", "num_steps")
UNTIMED = "reference"
"""The generator whose crystals were not generated."""


def match_rate(
    rows: Sequence[dict[str, Any]],
    matches: list[Path],
    times: list[Path],
    output: Path,
    output_plot: Path | None = None,
    benchmark: str = "",
) -> None:
    """Write one row per generator, task, number of steps, filter and number of candidates `k`.

    `rows` holds `generator`, `task`, `num_steps` and any further columns of each file of `matches`, in their order;
    `times` are in the same order, and may leave out the rows of the generator `reference`. The plot shows match rates
    against the number of steps. Figures that were published of `benchmark` come last.
    """
    if len(matches) != len(rows):
        raise StageError(f"{len(rows)} rows, but {len(matches)} files of matches came")
    each = zip(rows, matches, costs(rows, times), strict=True)
    found = [line for row, path, seconds in each for line in lines(row, read_matches(path), seconds)]
    table = pd.DataFrame([*found, *published_lines(benchmark)], dtype=object)
    write_text(output, table.to_csv(index=False))
    if output_plot is not None:
        with atomic_path(output_plot) as temporary:
            write_step_figure(temporary, table)


def costs(rows: Sequence[dict[str, Any]], times: Sequence[Path]) -> list[float | None]:
    """Seconds per crystal of every row; None for crystals that were not generated."""
    untimed = [len(times) < len(rows) and row["generator"] == UNTIMED for row in rows]
    if len(times) != untimed.count(False):
        raise StageError(f"{len(rows)} rows, but {len(times)} files of times came")
    left = iter(times)
    return [None if absent else seconds_per_crystal(next(left)) for absent in untimed]


def read_matches(path: Path) -> pd.DataFrame:
    """A table that the stage `match` wrote.

    Raises:
        StageError: Predictions are missing from it.
    """
    kinds = {"target_id": "str", "status": "str", "reason": "str"}
    table = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values={"rmsd": [""], "metre_rmsd": [""]})
    candidates = table.groupby("target_id")["candidate"].nunique()
    if not len(table) or not table["status"].isin(STATUSES).all() or len(table) != candidates.max() * len(candidates):
        raise StageError(f"{path} does not hold as many predictions of each target: delete it, and run again")
    return table


def seconds_per_crystal(path: Path) -> float | None:
    """Seconds of the network for each crystal; None for crystals that were not generated."""
    time = json.loads(path.read_text())
    return None if time["network_seconds"] is None else time["network_seconds"] / time["num_crystals"]


def lines(row: dict[str, Any], matches: pd.DataFrame, seconds: float | None) -> Iterator[dict[str, Any]]:
    """The rates of one file under every filter, for every number of candidates; METRe knows neither, and comes once."""
    everyone = metre_columns(matches)
    largest = max(numbers_of_candidates(matches))
    for name in FILTERS:
        for k in numbers_of_candidates(matches):
            found = match_rate_of(matches, name, k)
            low, high = wilson_interval(found.num_matches, found.num_pairs)
            logger.info(
                "%s, %s steps, filter %s, best of %d: %d of %d match, %.2f %% (%.2f to %.2f), RMSE %s",
                *(row["generator"], row["num_steps"] or "no", name, k, found.num_matches, found.num_pairs),
                *(100 * rate for rate in (found.rate, low, high)),
                "–" if found.rmse is None else f"{found.rmse:.4f}",
            )
            yield {
                **{column: row[column] for column in NAMES},
                "filter": name,
                "k": k,
                "num_pairs": found.num_pairs,
                "match_rate": found.rate,
                "match_rate_low": low,
                "match_rate_high": high,
                "rmse": found.rmse,
                "seconds_per_crystal": seconds,
                **(everyone if name == "none" and k == largest else dict.fromkeys(everyone)),
                "rmse_low": found.rmse_interval[0] if found.rmse_interval else None,
                "rmse_high": found.rmse_interval[1] if found.rmse_interval else None,
                **{column: value for column, value in row.items() if column not in NAMES},
            }


def metre_columns(matches: pd.DataFrame) -> dict[str, Any]:
    """METRe with Wilson's interval, and cRMSE with the bootstrap's."""
    closest = matches.groupby("target_id")["metre_rmsd"].first()
    found = metre({str(target): None if pd.isna(rmsd) else float(rmsd) for target, rmsd in closest.items()})
    low, high = wilson_interval(found.num_matches, found.num_pairs)
    distances = closest.fillna(TOLERANCES["stol"]).to_numpy(float)
    ends = bootstrap_interval(np.mean, [distances], np.random.default_rng(SEED))
    told = {"metre": found.rate, "metre_low": low, "metre_high": high, "crmse": found.crmse}
    return {**told, "crmse_low": ends[0], "crmse_high": ends[1]}


def published_lines(benchmark: str) -> Iterator[dict[str, Any]]:
    """Published match rates, of one prediction per target, under the filter of their paper."""
    for line in published_rows(benchmark, ("match_rate", "rmse")):
        name = "crysbfn" if line["generator"].startswith("CrysBFN") else "diffcsp"
        yield {"task": "structure_prediction", "filter": name, "k": 1, **line}


if __name__ == "__main__":
    run(match_rate)
