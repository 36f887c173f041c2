"""How far can the hull be trusted?"""

from dataclasses import fields
from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.hull import Hull
from sunflow.evaluation.hull_quality import Measure, control, left_out
from sunflow.stages.command import StageError, run


def hull_quality(settings: dict, hull: Path, samples: Path, energies: Path, output: Path) -> None:
    """Write one measure per row: of compositions left out of the hull, and of test crystals placed on it.

    `settings` holds `stable` and `metastable` (eV/atom), and `num_compositions` and `seed` of those left out.
    `samples` are the test crystals as drawn, `energies` their energies above hull after relaxation.
    """
    stable, metastable = float(settings["stable"]), float(settings["metastable"])
    measured = pd.read_csv(energies, dtype={"crystal_id": str}, keep_default_na=False, na_values=[""])
    try:
        measures = [
            *left_out(Hull.read(hull), settings["num_compositions"], settings["seed"], stable),
            *control(read_crystals(samples), measured, stable, metastable),
        ]
    except ValueError as error:
        raise StageError(f"{hull}, {samples}, {energies}: {error}; make them anew") from error
    table = pd.DataFrame([vars(measure) for measure in measures], columns=[field.name for field in fields(Measure)])
    write_text(output, table.to_csv(index=False))


if __name__ == "__main__":
    run(hull_quality)
