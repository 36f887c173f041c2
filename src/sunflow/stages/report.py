"""The page that shows a dataset's results."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import atomic_path, write_text
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.evaluation.sun_curve import sun_curve
from sunflow.report.histogram import write_histogram
from sunflow.report.page import Measures, render
from sunflow.report.property_figures import SHOWN
from sunflow.report.rows import REFERENCE, Row, assemble
from sunflow.report.trajectory_view import Trajectory
from sunflow.stages.command import StageError, run

ROW_NAMES = ("generator", "task", "relaxer", "hull")
OPINION = "second_opinion"
NAMES_OF_METRICS = ("generator", "property", "definition", "protocol")
VERDICTS = (
    "geometry_valid",
    "converged",
    "unique",
    "matches_none",
    "composition_new",
    "novel",
    "novel_in_dataset",
    "metastable",
    "stable",
    "sun",
    "sun_with_samples",
)
WORDS = (
    "crystal_id",
    "formula",
    "status",
    "reason",
    "hull_coverage",
    "decomposition",
    "same_as",
    "matched_train_id",
    "matched_dataset_id",
    "comparison_reason",
)


def report(
    settings: dict,
    table: Path,
    crystals: list[Path],
    relaxed: list[Path],
    curves: list[Path],
    curve_names: list[str],
    trajectories: list[Path],
    trajectory_names: list[str],
    qualities: list[Path],
    validity: Path,
    coverage: Path,
    distributions: Path,
    match_rate: list[Path],
    measures: list[Path],
    measure_names: list[str],
    reference: Path,
    summary: Path,
    provenance: Path,
    output: Path,
    output_histogram: Path,
    conditional: list[Path] | None = None,
) -> None:
    """Write one self-contained HTML page, and the distribution of energies above hull as a still picture.

    `settings` holds `dataset`, `rows` (generator, task, relaxer, hull; in the order of `table`, `crystals` and
    `relaxed`) and `thresholds` (stable, metastable; eV/atom). `curves` are the training curves of `curve_names`,
    `trajectories` belong to the generators `trajectory_names`, and `qualities` measure the hull of every relaxer, in
    the order in which the rows first name them. `measures` are those of the crystals of the generators `measure_names`
    as generated, `reference` those of the test split. `match_rate` and `conditional` are one file each, or none where
    nothing was predicted, or asked for a property.
    """
    rows = read_rows(settings["rows"], table, crystals, relaxed)
    thresholds: dict[str, float] = settings["thresholds"]
    html = render(
        settings["dataset"],
        rows,
        **thresholds,
        curves={name: pd.read_csv(path) for name, path in zip(curve_names, curves, strict=True)},
        trajectories=[read_trajectory(*pair) for pair in zip(trajectory_names, trajectories, strict=True)],
        qualities=read_qualities(settings["rows"], qualities),
        validity=read_metric(validity),
        coverage=read_metric(coverage),
        distributions=read_metric(distributions),
        match_rate=read_metric(match_rate[0]) if match_rate else None,
        properties={
            name: pd.read_parquet(path, columns=list(SHOWN))
            for name, path in zip([*measure_names, REFERENCE], [*measures, reference], strict=True)
        },
        sun_curves=[sun_curve(row.crystals) for row in rows],
        summary=pd.read_csv(summary, dtype=str, keep_default_na=False),
        provenance=json.loads(provenance.read_text(encoding="utf-8")),
        conditional=read_metric(conditional[0]) if conditional else None,
    )
    with atomic_path(output_histogram) as temporary:
        write_histogram(temporary, rows, **thresholds)
    write_text(output, html)


def read_rows(names: list[dict[str, Any]], table: Path, crystals: list[Path], relaxed: list[Path]) -> list[Row]:
    """The rows of the results table with their crystals.

    Raises:
        StageError: The files do not belong together.
    """
    results = read_table(table)
    told = [tuple(str(row[name]) for name in ROW_NAMES) for row in names]
    if told != list(results[list(ROW_NAMES)].itertuples(index=False, name=None)):
        raise StageError(f"{table} does not hold the rows {told}: make it again (snakemake --forcerun sun_table)")
    if not len(told) == len(crystals) == len(relaxed):
        raise StageError(f"{table} has {len(told)} rows, but {len(crystals)} and {len(relaxed)} files of crystals came")
    judged = [read_judged(path) for path in crystals]
    structures = [read_crystals(path) for path in relaxed]
    for path, lines, found in zip(crystals, judged, structures, strict=True):
        if lines["crystal_id"].tolist() != [crystal.crystal_id for crystal in found]:
            raise StageError(f"{path} and its relaxed crystals name different crystals: make both again")
    return assemble(results, judged, structures)


def read_qualities(names: list[dict[str, Any]], paths: list[Path]) -> dict[str, Measures]:
    """What is measured of the hull of every relaxer."""
    relaxers = dict.fromkeys(row["relaxer"] for row in names)
    tables = [pd.read_csv(path).set_index("measure").to_dict("index") for path in paths]
    return dict(zip(relaxers, tables, strict=True))


def read_metric(path: Path) -> pd.DataFrame:
    """A table of metrics; without rows and columns where nothing could be compared."""
    try:
        return _read_csv(path, dict.fromkeys(NAMES_OF_METRICS, "str"))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def read_trajectory(generator: str, path: Path) -> Trajectory:
    """How a crystal of this generator came to be.

    Raises:
        StageError: The file is something else.
    """
    told = read_metadata(path)
    frames = read_crystals(path)
    missing = [name for name in ("sample_id", "num_steps", "difference") if name not in told]
    missing += [name for frame in frames for name in ("step", "time") if name not in frame.properties]
    if missing:
        raise StageError(
            f"{path} is no trajectory, without {missing[0]}: make it again (snakemake --forcerun trajectory)"
        )
    return Trajectory(generator, told["sample_id"], told["num_steps"], told["difference"], frames)


def read_table(path: Path) -> pd.DataFrame:
    """sun.csv: names as text, all else numbers, NaN where empty."""
    return _read_csv(path, dict.fromkeys((*ROW_NAMES, OPINION), "str"))


def read_judged(path: Path) -> pd.DataFrame:
    """sun_crystals.csv: verdicts are true, false or missing; the formula `NaN` is sodium nitride."""
    return _read_csv(path, dict.fromkeys(WORDS, "str") | dict.fromkeys(VERDICTS, "boolean"))


def _read_csv(path: Path, kinds: dict[str, str]) -> pd.DataFrame:
    columns = pd.read_csv(path, nrows=0).columns
    empty_is_missing = {column: [""] for column in columns if kinds.get(column) != "str"}
    return pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=empty_is_missing)


if __name__ == "__main__":
    run(report)
