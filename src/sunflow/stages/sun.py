"""Which crystals are stable, unique and novel?"""

from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import write_cif_zip, write_extended_xyz
from sunflow.evaluation.sun import Crystals, compare_all, count_true, judge
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.stages.command import StageError, logger, run


def sun(
    settings: dict,
    samples: Path,
    relaxed: Path,
    energies: Path,
    train: Path,
    val: Path,
    test: Path,
    threads: int,
    output: Path,
    output_xyz: Path,
    output_cif: Path,
) -> None:
    """Write the verdict on every requested crystal, and the S.U.N. crystals as extended XYZ and as CIFs.

    `settings` holds the thresholds `stable` and `metastable` (eV/atom) and which structures to `compare`. A killed run
    continues from the journal beside its output.
    """
    measured = pd.read_csv(energies, dtype={"crystal_id": str}, keep_default_na=False, na_values=[""])
    try:
        crystals = Crystals(read_crystals(samples), read_crystals(relaxed), measured)
    except ValueError as error:
        raise StageError(f"{samples}, {relaxed}, {energies}: {error}") from error
    files = (samples, relaxed, energies, train, val, test)
    work = stamp(settings["compare"], *map(file_hash, files), code_fingerprint("sunflow.stages.sun"))
    known = {path.stem: read_crystals(path) for path in (train, val, test)}
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        comparisons = compare_all(crystals, known, settings["compare"], journal, threads)
        verdicts = judge(crystals, comparisons, settings["stable"], settings["metastable"])
        logger.info("%d of %d crystals are stable, unique and novel", count_true(verdicts["sun"]), len(verdicts))
        write_chosen(crystals, verdicts, output_xyz, output_cif)
        write_text(output, verdicts.to_csv(index=False))
        journal.remove()


def write_chosen(crystals: Crystals, verdicts: pd.DataFrame, output_xyz: Path, output_cif: Path) -> None:
    """Write the relaxed crystals that are stable, unique and novel."""
    chosen = [
        crystal.with_properties(**{name: row[name] for name in ("formula", "space_group", "energy_above_hull")})
        for crystal, row in zip(crystals.relaxed, verdicts.to_dict("records"), strict=True)
        if row["sun"] is True
    ]
    write_extended_xyz(output_xyz, chosen)
    write_cif_zip(output_cif, chosen)


if __name__ == "__main__":
    run(sun)
