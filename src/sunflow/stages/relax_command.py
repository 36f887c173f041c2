"""The command line of `python -m sunflow relax`."""

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

from sunflow.registry import POTENTIALS
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.relaxer import OPTIMIZERS
from sunflow.stages.command import StageError
from sunflow.stages.relax_inputs import RELAXED, STRUCTURES, TRAJECTORIES, relax_inputs, summary


def parser(program: str) -> argparse.ArgumentParser:
    """The options."""
    described = argparse.ArgumentParser(
        program,
        description="Relax crystals, cell included, with a machine-learned potential, by the same code as the pipeline."
        " A run that was killed continues when the same command is called again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = described.add_argument
    option("crystals", type=Path, help="folder of CIFs, or a .cif, .zip (of CIFs), .extxyz, .csv or .parquet file")
    option("--output", type=Path, required=True, help=f"folder of {RELAXED} and {STRUCTURES}")
    option("--potential", default="chgnet", help=f"{', '.join(POTENTIALS)}, or the import path of an ASE calculator")
    option("--arguments", type=mapping, default={}, metavar="JSON", help="what the potential is loaded with")
    option("--max-force", type=positive, default=Limits.max_force, help="eV/Å; smaller forces are converged")
    option("--max-steps", type=count, default=Limits.max_steps, help="of the optimizer")
    option("--optimizer", choices=OPTIMIZERS, default=Limits.optimizer, help="lbfgs needs fewer steps; papers use fire")
    option("--overlaps", choices=("fail", "push_apart"), default=Limits.overlaps, help="what overlapping atoms do")
    option("--trajectory", type=count, metavar="N", help=f"keep every N-th step, in {TRAJECTORIES}")
    option("--threads", type=count, default=available_cores(), help="processes")
    return described


def run(arguments: argparse.Namespace) -> None:
    """Relax, and print what came of it.

    Raises:
        StageError: Something that the user can mend.
    """
    settings: dict[str, Any] = {
        "potential": arguments.potential,
        "arguments": arguments.arguments,
        "max_force": arguments.max_force,
        "max_steps": arguments.max_steps,
        "optimizer": arguments.optimizer,
        "overlaps": arguments.overlaps,
        "trajectory_interval": arguments.trajectory,
    }
    if arguments.output.exists() and not arguments.output.is_dir():
        raise StageError(f"--output {arguments.output} is a file, not a folder")
    print(summary(relax_inputs(arguments.crystals, arguments.output, settings, arguments.threads)))
    names = [RELAXED, STRUCTURES, *([TRAJECTORIES] if arguments.trajectory else [])]
    print("written:", ", ".join(str(arguments.output / name) for name in names))


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def positive(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def count(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def mapping(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object such as {{"model": "small"}}')
    return value


positive.__name__, count.__name__ = "number", "whole number"
