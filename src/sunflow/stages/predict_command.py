"""The command line of `python -m sunflow predict`."""

import argparse
from pathlib import Path

from sunflow.relaxation.limits import Limits
from sunflow.stages.compositions import read_formulas, read_range
from sunflow.stages.predict import RANKING, STRUCTURES, predict, summary
from sunflow.stages.relax_command import available_cores, count, mapping, positive
from sunflow.stages.relax_inputs import RELAXED


def parser(program: str) -> argparse.ArgumentParser:
    """The options."""
    described = argparse.ArgumentParser(
        program,
        description="Predict the structures of compositions with a generator trained for structure prediction, and rank"
        " them by energy. A run that was killed continues when the same command is called again.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = described.add_argument
    option("formulas", nargs="+", help="such as LiFePO4, or CSV files with a column formula")
    option("--weights", type=Path, required=True, help="the .safetensors file of a training, its .json beside it")
    option("--output", type=Path, required=True, help=f"folder of {RANKING}, {STRUCTURES} and, relaxed, {RELAXED}")
    option("--formula-units", type=_range, default="1-4", metavar="N or N-M", help="of a cell, each of which is tried")
    option("--candidates", type=count, default=10, help="per formula and number of formula units")
    option("--num-steps", type=count, help="of the flow; without, as many as in training")
    option("--sampler", default="redraw", choices=("redraw", "bayes"), help="how beliefs follow from estimates")
    option("--batch-size", type=count, default=256, help="crystals sampled at once")
    option("--seed", type=int, default=0, help="of every random choice")
    option("--relax", action="store_true", help="relax the candidates, and rank them by energy")
    option("--potential", default="chgnet", help="that relaxes them")
    option("--arguments", type=mapping, default={}, metavar="JSON", help="what the potential is loaded with")
    option("--max-force", type=positive, default=Limits.max_force, help="eV/Å; smaller forces are converged")
    option("--threads", type=count, default=available_cores(), help="processes of the relaxation")
    return described


def run(arguments: argparse.Namespace) -> None:
    """Predict, and print the best of every formula.

    Raises:
        StageError: Something that the user can mend.
    """
    settings = {name: getattr(arguments, name) for name in ("num_steps", "sampler", "batch_size", "seed")}
    relaxation = {name: getattr(arguments, name) for name in ("potential", "arguments", "max_force")}
    ranking = predict(
        read_formulas(arguments.formulas),
        arguments.formula_units,
        arguments.candidates,
        arguments.weights,
        settings,
        relaxation if arguments.relax else None,
        arguments.output,
        arguments.threads,
    )
    print(summary(ranking))
    print("written:", ", ".join(str(arguments.output / name) for name in (RANKING, STRUCTURES)))


def _range(text: str) -> list[int]:
    try:
        return read_range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
