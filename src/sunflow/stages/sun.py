"""Which crystals are stable, unique and novel?"""

from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import write_cif_zip, write_extended_xyz
from sunflow.evaluation.sun import count_true, judge
from sunflow.stages.command import StageError, logger, run


def sun(
    settings: dict,
    samples: Path,
    relaxed: Path,
    energies: Path,
    train: Path,
    output: Path,
    output_xyz: Path,
    output_cif: Path,
) -> None:
    """Write the verdict on every requested crystal, and the S.U.N. crystals as extended XYZ and as CIFs.

    `settings` holds the thresholds `stable` and `metastable` (eV/atom) and which structures to `compare`.
    """
    final = read_crystals(relaxed)
    measured = pd.read_csv(energies, dtype={"crystal_id": str}, keep_default_na=False, na_values=[""])
    try:
        verdicts = judge(read_crystals(samples), final, measured, read_crystals(train), **settings)
    except ValueError as error:
        raise StageError(f"{samples}, {relaxed}, {energies}: {error}") from error
    chosen = set(verdicts["crystal_id"][verdicts["sun"].eq(True)])
    best = [
        crystal.with_properties(**{name: row[name] for name in ("formula", "space_group", "energy_above_hull")})
        for crystal, row in zip(final, verdicts.to_dict("records"), strict=True)
        if crystal.crystal_id in chosen
    ]
    logger.info("%d of %d crystals are stable, unique and novel", count_true(verdicts["sun"]), len(verdicts))
    write_extended_xyz(output_xyz, best)
    write_cif_zip(output_cif, best)
    write_text(output, verdicts.to_csv(index=False))


if __name__ == "__main__":
    run(sun)
