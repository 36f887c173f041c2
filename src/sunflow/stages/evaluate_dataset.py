"""A dataset of config.yaml, against which anybody's crystals are judged; the workflow makes what is missing of it."""

import subprocess
import sys
from pathlib import Path

import yaml

from sunflow.atomic import write_json
from sunflow.config import Config, ConfigError, load
from sunflow.crystals.files import read_crystals
from sunflow.stages.command import StageError
from sunflow.stages.distributions import distributions
from sunflow.stages.energy_above_hull import energy_above_hull
from sunflow.stages.evaluate import MEASURES, REPORT, SAMPLES, Known, own_crystals
from sunflow.stages.provenance import provenance
from sunflow.stages.relax_inputs import RELAXED, relax_inputs
from sunflow.stages.report import report
from sunflow.stages.sun import sun
from sunflow.stages.sun_table import sun_table

TASK = "generation"


class DatasetKnowledge:
    """What the pipeline knows of a dataset.

    Args:
        dataset: Its name in config.yaml of the current folder.
        threads: Processes of the workflow and of the judgement.

    Raises:
        StageError: This is no folder with the workflow, or config.yaml does not have the dataset.
    """

    def __init__(self, dataset: str, threads: int) -> None:
        self.dataset, self.threads = dataset, threads
        self.folder = Path("results", dataset)
        self.config = _config(dataset)
        self.relaxer = self.config.relaxers_of(dataset)[0]

    def known(self, train: Path | None, output: Path) -> Known:
        """Its test split and its train split, or another `train`."""
        crystals = self.folder / "crystals"
        measures = crystals / "test_measures.parquet"
        self._make(measures, crystals / "train.parquet")
        output.mkdir(parents=True, exist_ok=True)
        own_train = own_crystals(train, output / "train.parquet", self.threads) if train else crystals / "train.parquet"
        name = f"the test split of {self.dataset}"
        return Known(name, crystals / "test.parquet", measures, own_train, self.config.benchmark_of(self.dataset))

    def judge_stability(self, name: str, known: Known, output: Path, seed: int) -> None:
        """Relax the crystals of a finished evaluation, place them on the dataset's hull, and write the full report.

        Args:
            name: Of their generator.
            known: What they were judged against.
            output: Folder of the evaluation.
            seed: Of draws and bootstraps.
        """
        hull, quality = self.folder / f"hull/{self.relaxer}.parquet", self.folder / f"hull/{self.relaxer}_quality.csv"
        control = self.folder / "reference/test"
        judged = control / self.relaxer / "sun_crystals.csv"
        self._make(hull, quality, judged, self.folder / "crystals/summary.csv")
        relax_inputs(output / SAMPLES, output, self._relaxation(), self.threads)
        energy_above_hull(output / RELAXED, hull, output / "energy_above_hull.csv")
        self._sun(known, output)
        write_json(
            output / "time.json", {"network_seconds": None, "num_crystals": len(read_crystals(output / SAMPLES))}
        )
        rows = [self._row(name, TASK), self._row("reference", "test")]
        tables, times = [output / "sun_crystals.csv", judged], [output / "time.json", control / "sampling_time.json"]
        sun_table({"rows": rows}, tables, times, [hull, hull], [], output / "sun.csv", output / "sun_curve.csv")
        relaxed = [output / RELAXED, control / self.relaxer / "relaxed.parquet"]
        settings = {"generators": [name], "benchmark": known.benchmark, "seed": seed}
        own = [output / MEASURES]
        distributions(settings, own, relaxed[:1], known.measures, relaxed[1:], output / "distributions.csv")
        files = {"samples": output / SAMPLES, "relaxed": output / RELAXED, "hull": hull, "table": output / "sun.csv"}
        described = {"dataset": self.config.dataset(self.dataset), "relaxer": self._relaxation(), "seed": seed}
        named = {key: str(path) for key, path in files.items()}
        provenance(described, named, output, output / "provenance.json")
        report(
            {"dataset": self.dataset, "rows": rows, "thresholds": self._thresholds()},
            table=output / "sun.csv",
            crystals=tables,
            relaxed=relaxed,
            curves=[],
            curve_names=[],
            trajectories=[],
            trajectory_names=[],
            qualities=[quality],
            validity=output / "validity.csv",
            coverage=output / "coverage.csv",
            distributions=output / "distributions.csv",
            match_rate=[],
            measures=own,
            measure_names=[name],
            reference=known.measures,
            summary=self.folder / "crystals/summary.csv",
            provenance=output / "provenance.json",
            output=output / REPORT,
            output_histogram=output / "hull_histogram.svg",
        )

    def _make(self, *targets: Path) -> None:
        """Have the workflow make these files, where they are missing or out of date."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(self.threads), *map(str, targets)]
        if subprocess.run(command, check=False).returncode:
            raise StageError(f"the workflow could not make {targets[0]}: see above, or run {' '.join(command[2:])}")

    def _sun(self, known: Known, output: Path) -> None:
        crystals = self.folder / "crystals"
        sun(
            {**self._thresholds(), "compare": self.config.sun.compare},
            samples=output / SAMPLES,
            relaxed=output / RELAXED,
            energies=output / "energy_above_hull.csv",
            train=known.train or crystals / "train.parquet",
            val=crystals / "val.parquet",
            test=crystals / "test.parquet",
            threads=self.threads,
            output=output / "sun_crystals.csv",
            output_xyz=output / "sun_crystals.extxyz",
            output_cif=output / "sun_crystals.zip",
        )

    def _relaxation(self) -> dict:
        section = self.config.relaxer(self.dataset, self.relaxer)
        return {name: value for name, value in section.items() if name not in ("parts", "second_opinion")}

    def _thresholds(self) -> dict[str, float]:
        return {"stable": self.config.sun.stable, "metastable": self.config.sun.metastable}

    def _row(self, generator: str, task: str) -> dict:
        hull = self.config.datasets[self.dataset].hull
        named = {"generator": generator, "task": task, "relaxer": self.relaxer}
        return {**named, "hull": hull, "second_opinion": None}


def _config(dataset: str) -> Config:
    """The configuration of the current folder.

    Raises:
        StageError: There is none, or it does not have the dataset.
    """
    if not Path("Snakefile").exists():
        raise StageError("--dataset needs the workflow: call it in the folder with Snakefile and config.yaml")
    try:
        config = load(yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8")))
    except (ConfigError, OSError, yaml.YAMLError) as error:
        raise StageError(f"config.yaml cannot be used: {error}") from error
    if dataset not in config.datasets:
        raise StageError(f"config.yaml has no dataset {dataset!r}: it has {', '.join(config.datasets)}")
    return config
