"""Does another potential find the same crystals stable?"""

from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.hull import Hull
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, file_hash, stamp
from sunflow.registry import module_of
from sunflow.relaxation.parallel import relax_all
from sunflow.stages.command import logger, run
from sunflow.stages.energy_above_hull import measured, refuse_mixed_scales
from sunflow.stages.relax import named_potential, signature, taken_apart
from sunflow.stages.sun_table import read_verdicts

COLUMNS = (
    "crystal_id",
    "energy_above_hull",
    "second_energy_above_hull",
    "second_hull_coverage",
    "agrees",
    "status",
    "reason",
    "second_formation_energy_per_atom",
)
OWN_SETTINGS = ("stable", "asked_about")


def second_opinion(settings: dict, relaxed: Path, verdicts: Path, hull: Path, threads: int, output: Path) -> None:
    """Write one row per S.U.N. crystal: its energy above hull (eV/atom) by one potential and by the other.

    `settings` are those of the second relaxer, as for the stage `relax`, and `stable` (eV/atom): it `agrees` where the
    crystal, relaxed further, is at most so far above the second relaxer's own `hull`, and has no say (empty) where the
    relaxation does not converge or the hull does not cover the crystal. With `asked_about: metastable` among the
    settings, the metastable crystals are the rows.
    """
    load, limits = taken_apart({name: value for name, value in settings.items() if name not in OWN_SETTINGS})
    potential = named_potential(load)
    reference = Hull.read(hull)
    refuse_mixed_scales(reference, signature(potential), f"{hull} and the second opinion on {relaxed}")
    first = _first_opinions(verdicts, settings.get("asked_about", "sun"))
    chosen = [_as_found(crystal) for crystal in read_crystals(relaxed) if crystal.crystal_id in first]
    code = code_fingerprint("sunflow.stages.second_opinion", module_of(settings["potential"]))
    work = stamp(settings, file_hash(relaxed), file_hash(verdicts), potential.weights_hash, code)
    with Journal(output.with_name(f".{output.name}.journal"), work) as journal:
        final = relax_all(chosen, load, limits, journal, threads)
        rows = [_row(crystal, first[crystal.crystal_id], reference, settings["stable"]) for crystal in final]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        agreed = int(table["agrees"].eq(True).sum())
        logger.info("%d of %d crystals that it was asked about are stable by %s", agreed, len(rows), potential.name)
        write_text(output, table.to_csv(index=False))
        journal.remove()


def _first_opinions(verdicts: Path, verdict: str) -> dict[str, float]:
    """Energy above hull of the crystals of which a verdict is true, eV/atom."""
    table = read_verdicts(verdicts)
    chosen = table[table[verdict].eq("True")]
    return dict(zip(chosen["crystal_id"], chosen["energy_above_hull"].astype(float), strict=True))


def _as_found(crystal: Crystal) -> Crystal:
    """The structure alone, without what the first potential said of it."""
    return Crystal(crystal.crystal_id, crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)


def _row(crystal: Crystal, first: float, hull: Hull, stable: float) -> dict[str, Any]:
    distance = measured(crystal, hull)
    above = distance.energy_above_hull
    return {
        "crystal_id": crystal.crystal_id,
        "energy_above_hull": first,
        "second_energy_above_hull": above,
        "second_hull_coverage": distance.coverage,
        "agrees": above <= stable if above is not None and crystal.status == "ok" else None,
        "status": crystal.status,
        "reason": crystal.reason,
        "second_formation_energy_per_atom": distance.formation_energy_per_atom if crystal.status == "ok" else None,
    }


if __name__ == "__main__":
    run(second_opinion)
