"""The rates of every generator, beside those of the dataset's own test crystals."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.evaluation.hull import Hull
from sunflow.evaluation.rates import wilson_interval
from sunflow.evaluation.sun import count_true
from sunflow.evaluation.sun_curve import sun_curve
from sunflow.stages.command import run
from sunflow.stages.provenance import job_seconds

COVERED = ("same_composition", "same_system", "subsystems_only")
NAMES = ("generator", "task", "relaxer", "hull")
RATES = ("unique", "novel", "metastable", "stable")
STRICTER = ("matches_none", "composition_new", "novel_in_dataset")
CLOSELY_COVERED = ("same_composition", "same_system")


def sun_table(
    settings: dict,
    tables: list[Path],
    times: list[Path],
    hulls: list[Path],
    opinions: list[Path],
    output: Path,
    output_curve: Path,
    logs: Path | None = None,
) -> None:
    """Write one row per entry of `settings["rows"]`, to which `tables`, `times` and `hulls` belong in this order.

    The curve has one row per entry and threshold of the energy above hull.

    `opinions` are the second opinions of those rows that name a relaxer as `second_opinion`. `logs` is the folder with
    Snakemake's benchmark files, which tell what a row cost from end to end.
    """
    left = iter(opinions)
    rows, curves = [], []
    for row, table, time, hull in zip(settings["rows"], tables, times, hulls, strict=True):
        verdicts = read_verdicts(table)
        cost = costs(verdicts, network_seconds(time), end_to_end_seconds(logs, row) if logs else None)
        rows.append(
            {
                **{name: row[name] for name in NAMES},
                "hull_entries": len(Hull.read(hull).entries),
                **rates(verdicts),
                "seconds_per_crystal": cost["seconds_per_crystal"],
                "seconds_per_sun": cost["seconds_per_sun"],
                "second_opinion": row["second_opinion"],
                "num_sun_agreed": count_true(read_verdicts(next(left))["agrees"]) if row["second_opinion"] else None,
                **further_rates(verdicts),
                **cost,
            }
        )
        curves.append(sun_curve(verdicts).assign(**{name: row[name] for name in NAMES}))
    write_text(output, pd.DataFrame(rows).to_csv(index=False))
    curve = pd.concat(curves)
    write_text(output_curve, curve[[*NAMES, *curve.columns.drop(list(NAMES))]].to_csv(index=False))


def read_verdicts(path: Path) -> pd.DataFrame:
    """A table that the stage `sun` wrote, all of it text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def network_seconds(path: Path) -> float | None:
    """Seconds that the network took for all samples; None for crystals that were not generated."""
    return json.loads(path.read_text())["network_seconds"]


def rates(verdicts: pd.DataFrame) -> dict[str, Any]:
    """Counts, and rates of all requested crystals."""
    requested = len(verdicts)
    statuses = verdicts["status"].value_counts()
    assert statuses.reindex(["ok", "not_converged", "failed"], fill_value=0).sum() == requested, "a crystal was lost"
    num_sun = count_true(verdicts["sun"])
    low, high = wilson_interval(num_sun, requested)
    strict = count_true(verdicts["sun"][verdicts["hull_coverage"].isin(CLOSELY_COVERED)])
    return {
        "num_requested": requested,
        "num_geometry_valid": count_true(verdicts["geometry_valid"]),
        "num_converged": count_true(verdicts["converged"]),
        "num_covered": int(verdicts["hull_coverage"].isin(COVERED).sum()),
        **{f"{name}_rate": count_true(verdicts[name]) / requested for name in RATES},
        "sun_rate": num_sun / requested,
        "sun_rate_low": low,
        "sun_rate_high": high,
        "sun_rate_strict": strict / requested,
        "sun_rate_with_samples": count_true(verdicts["sun_with_samples"]) / requested,
    }


def further_rates(verdicts: pd.DataFrame) -> dict[str, Any]:
    """Stricter rates, Wilson's intervals of all but S.U.N., and how far relaxation moved the atoms on average (Å)."""
    row: dict[str, Any] = {}
    for name in (*RATES, *STRICTER):
        count = count_true(verdicts[name])
        row[f"{name}_rate"] = count / len(verdicts)
        row[f"{name}_rate_low"], row[f"{name}_rate_high"] = wilson_interval(count, len(verdicts))
    moved = pd.to_numeric(verdicts["rmsd_to_relaxed"]).dropna()
    return {**row, "rmsd_to_relaxed": float(moved.mean()) if len(moved) else None}


def costs(verdicts: pd.DataFrame, network: float | None, end_to_end: float | None) -> dict[str, Any]:
    """Seconds per requested, per stable and per S.U.N. crystal: of the network (SymmBFN), and of all that came after.

    None where nothing was found, or where nobody knows how long it took.
    """
    numbers = {"crystal": len(verdicts), "stable": count_true(verdicts["stable"]), "sun": count_true(verdicts["sun"])}
    totals = {"": network, "end_to_end_": None if network is None else end_to_end}
    return {
        f"{which}seconds_per_{what}": None if seconds is None or number == 0 else seconds / number
        for which, seconds in totals.items()
        for what, number in numbers.items()
    }


def end_to_end_seconds(logs: Path, row: dict[str, Any]) -> float | None:
    """Wall time of sampling, relaxing and judging the crystals of a row; None where a job has left no record.

    A job that was killed and resumed recorded its last run alone.
    """
    run = logs / row["generator"] / row["task"]
    parts = sorted((run / row["relaxer"]).glob("relax_*.benchmark.tsv"), key=lambda path: path.stat().st_mtime)
    of_latest = parts[-1].name.rpartition("_of_")[2] if parts else ""
    jobs = [run / "sample.benchmark.tsv", *(path for path in parts if path.name.endswith(f"_of_{of_latest}"))]
    jobs += [run / row["relaxer"] / f"{job}.benchmark.tsv" for job in ("gather_relaxed", "energy_above_hull", "sun")]
    seconds = [job_seconds(path) for path in jobs]
    known = [each for each in seconds if each is not None]
    return sum(known) if parts and len(known) == len(seconds) else None


if __name__ == "__main__":
    run(sun_table)
