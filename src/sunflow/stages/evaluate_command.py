"""The command line of `python -m sunflow evaluate`."""

import argparse
from pathlib import Path

from sunflow.stages.command import StageError
from sunflow.stages.evaluate import REPORT, TABLES, evaluate, known_files, summary
from sunflow.stages.evaluate_dataset import DatasetKnowledge
from sunflow.stages.relax_command import available_cores, count

FILES = "folder of CIFs, or a .cif, .zip (of CIFs), .extxyz, .csv, .parquet or .npz file"


def parser(program: str) -> argparse.ArgumentParser:
    """The options."""
    described = argparse.ArgumentParser(
        program,
        description="Judge crystals from any generator, by the same code as the pipeline: validity, coverage and "
        "distributions, beside real crystals. A run that was killed continues when the same command is called again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = described.add_argument
    option("crystals", type=Path, help=FILES)
    against = described.add_mutually_exclusive_group(required=True)
    against.add_argument("--dataset", help="judge against the test split of this dataset of config.yaml")
    against.add_argument("--reference", type=Path, help=f"judge against these crystals: {FILES}")
    option("--train", type=Path, help="what the generator learned from; without, the train split of the dataset")
    option("--output", type=Path, required=True, help=f"folder of {', '.join(TABLES)} and {REPORT}")
    option("--relax", action="store_true", help="relax them, and place them on the hull of --dataset (S.U.N.)")
    option("--name", help="of the generator, in the tables; without, that of the file")
    option("--threads", type=count, default=available_cores(), help="processes")
    option("--seed", type=int, default=0, help="of every random choice")
    return described


def run(arguments: argparse.Namespace) -> None:
    """Judge, and print what came of it.

    Raises:
        StageError: Something that the user can mend.
    """
    output, threads = arguments.output, arguments.threads
    if output.exists() and not output.is_dir():
        raise StageError(f"--output {output} is a file, not a folder")
    name = arguments.name or arguments.crystals.name.split(".")[0]
    if arguments.relax and not arguments.dataset:
        raise StageError("--relax needs the hull of a --dataset; `python -m sunflow relax` relaxes without one")
    if arguments.dataset:
        dataset = DatasetKnowledge(arguments.dataset, threads)
        known = dataset.known(arguments.train, output)
    else:
        known = known_files(arguments.reference, arguments.train, output, threads)
    evaluate(arguments.crystals, name, known, output, threads, arguments.seed)
    if arguments.relax:
        dataset.judge_stability(name, known, output, arguments.seed)
    print(summary(output))
    written = [*TABLES, *(["sun.csv"] if arguments.relax else []), REPORT]
    print("written:", ", ".join(str(output / table) for table in written))
