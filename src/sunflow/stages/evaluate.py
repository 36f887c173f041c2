"""Judge anybody's crystals into a folder, by the same code as the pipeline."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sunflow.atomic import output_lock, write_text
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.crystals.inputs import read_inputs
from sunflow.provenance import SOURCE
from sunflow.report.evaluation_page import render_evaluation
from sunflow.stages.command import StageError
from sunflow.stages.coverage import coverage_table
from sunflow.stages.distributions import distributions
from sunflow.stages.measure import measure_crystals
from sunflow.stages.novelty import novelty
from sunflow.stages.provenance import commit, describe_file, hardware, versions
from sunflow.stages.report import read_metric
from sunflow.stages.validity import validity

SAMPLES, MEASURES, REPORT = "samples.parquet", "measures.parquet", "report.html"
TABLES = ("validity.csv", "coverage.csv", "distributions.csv", "novelty.csv")


@dataclass(frozen=True)
class Known:
    """What crystals are judged against.

    Attributes:
        name: Of it, in words.
        reference: Real crystals, such as a test split.
        measures: Where their measures are, or will be.
        train: Those that the generator learned from; None where nobody says.
        benchmark: Whose published figures stand beside; None for none.
    """

    name: str
    reference: Path
    measures: Path
    train: Path | None
    benchmark: str | None


def evaluate(crystals: Path, name: str, known: Known, output: Path, threads: int, seed: int) -> None:
    """Write `TABLES`, the crystals, their measures and a page into the folder `output`.

    A killed run continues from its journals, and measures that are there are not made again.

    Args:
        crystals: Anything that `read_inputs` reads.
        name: Of their generator, for the tables.
        known: What they are judged against.
        output: Folder, made where there is none.
        threads: Processes.
        seed: Of draws and bootstraps.

    Raises:
        StageError: There are no such crystals.
        OutputLockedError: Another process writes the folder.
    """
    output.mkdir(parents=True, exist_ok=True)
    with output_lock(output / SAMPLES):
        as_parquet(crystals, output / SAMPLES, threads)
        measure_crystals(output / SAMPLES, threads, output / MEASURES, output / "measures.csv")
        measure_crystals(known.reference, threads, known.measures)
        settings = {"generators": [name], "benchmark": known.benchmark, "seed": seed}
        own, reference = [output / MEASURES], known.measures
        validity(settings, own, reference, output / "validity.csv")
        coverage_table(settings, own, reference, output / "coverage.csv")
        distributions(settings, own, [], reference, [], output / "distributions.csv")
        novelty(output / SAMPLES, known.train, threads, output / "similarity.csv", output / "novelty.csv")
        write_text(output / REPORT, page(name, known, output))


def as_parquet(crystals: Path, output: Path, threads: int) -> None:
    """Write what `read_inputs` reads as a file of the project.

    Raises:
        StageError: There are no such crystals.
    """
    try:
        write_crystals(output, read_inputs(crystals, threads))
    except ValueError as error:
        raise StageError(str(error)) from error


def known_files(reference: Path, train: Path | None, output: Path, threads: int) -> Known:
    """What is in the user's own files.

    Raises:
        StageError: They hold no crystals.
    """
    output.mkdir(parents=True, exist_ok=True)
    as_parquet(reference, output / "reference.parquet", threads)
    own_train = own_crystals(train, output / "train.parquet", threads) if train else None
    return Known(reference.name, output / "reference.parquet", output / "reference_measures.parquet", own_train, None)


def own_crystals(given: Path, output: Path, threads: int) -> Path:
    """The user's file as one of the project.

    Raises:
        StageError: It holds no crystals.
    """
    as_parquet(given, output, threads)
    return output


def page(name: str, known: Known, output: Path) -> str:
    """The report of an evaluation."""
    files = {path.name: path for path in (output / SAMPLES, known.reference, known.train) if path is not None}
    provenance = {
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(SOURCE),
        "versions": versions(),
        "files": {file: describe_file(path) for file, path in files.items()},
        "hardware": hardware(),
    }
    return render_evaluation(
        name,
        known.name,
        validity=read_metric(output / "validity.csv"),
        coverage=read_metric(output / "coverage.csv"),
        distributions=read_metric(output / "distributions.csv"),
        novelty=pd.read_csv(output / "novelty.csv"),
        accounting=pd.read_csv(output / "measures.csv", keep_default_na=False),
        provenance=provenance,
    )


def summary(output: Path) -> str:
    """How many crystals there were, and what came of them; for people."""
    crystals = read_crystals(output / SAMPLES)
    failed = [crystal for crystal in crystals if crystal.status == "failed"]
    row = pd.read_csv(output / "validity.csv").iloc[0]
    lines = [f"{len(crystals)} crystals, {len(failed)} failed, {round(row['valid'] * len(crystals))} valid"]
    lines += [f"  {crystal.crystal_id}: {crystal.reason}" for crystal in failed[:5]]
    more = f"  and {len(failed) - 5} more, see measures.csv"
    return "\n".join([*lines, *([more] if len(failed) > 5 else [])])
