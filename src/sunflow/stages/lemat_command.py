"""The command line of `python -m sunflow lemat`: crystals as the benchmark LeMat-GenBench takes them."""

import argparse
import logging
from pathlib import Path
from typing import Any

from sunflow.atomic import write_json
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.inputs import read_inputs
from sunflow.crystals.structures import write_cif_zip
from sunflow.evaluation.validity import defect
from sunflow.stages.command import StageError
from sunflow.stages.relax_command import count

logger = logging.getLogger(__name__)
NUM_STRUCTURES = 2500
"""That a submission has."""
STRUCTURES, DESCRIPTION = "structures.zip", "submission.json"


def parser(program: str) -> argparse.ArgumentParser:
    """The options."""
    described = argparse.ArgumentParser(
        program,
        description="Write a submission to LeMat-GenBench: a zip archive of CIFs, and whether they are relaxed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = described.add_argument
    option("crystals", type=Path, help="samples.parquet or relaxed.parquet, or anything that `evaluate` reads")
    option("--output", type=Path, required=True, help=f"folder of {STRUCTURES} and {DESCRIPTION}")
    option("--num-structures", type=count, default=NUM_STRUCTURES, help="the first so many crystals that there are")
    return described


def run(arguments: argparse.Namespace) -> None:
    """Write the archive and its description.

    Raises:
        StageError: There are too few crystals.
    """
    try:
        crystals = read_inputs(arguments.crystals)
    except ValueError as error:
        raise StageError(str(error)) from error
    description = export(crystals, arguments.output, arguments.num_structures)
    state = "relaxed" if description["relaxed"] else "not relaxed"
    print(f"written: {description['num_structures']} structures, {state}: {arguments.output / STRUCTURES}")


def export(crystals: list[Crystal], output: Path, num_structures: int) -> dict[str, Any]:
    """Write the first so many crystals that there are, not sorted by merit, and return what is said of them.

    A crystal that failed is passed over, and counted in the description. Crystals with an `energy_per_atom` have been
    relaxed; the benchmark must be told, because it relaxes others itself.

    Raises:
        StageError: There are too few, or only some of them are relaxed.
    """
    usable = [crystal for crystal in crystals if not defect(crystal)]
    if len(usable) < num_structures:
        raise StageError(
            f"{len(usable)} of {len(crystals)} crystals can be written, but a submission has {num_structures}: "
            "generate more, or choose another --num-structures to try it out"
        )
    chosen = usable[:num_structures]
    relaxed = [crystal.properties.get("energy_per_atom") is not None for crystal in chosen]
    if any(relaxed) and not all(relaxed):
        example = chosen[relaxed.index(False)].crystal_id
        raise StageError(f"only some crystals are relaxed, and {example} is not: export samples or relaxed ones")
    last = [crystal.crystal_id for crystal in crystals].index(chosen[-1].crystal_id)
    description = {
        "num_structures": num_structures,
        "relaxed": all(relaxed),
        "num_passed_over": last + 1 - num_structures,
    }
    write_cif_zip(output / STRUCTURES, chosen)
    write_json(output / DESCRIPTION, description)
    return description
