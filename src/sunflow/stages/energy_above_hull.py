"""How far above the convex hull is every relaxed crystal?"""

from collections import Counter
from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import composition
from sunflow.evaluation.hull import Hull, HullDistance
from sunflow.progress import progress
from sunflow.stages.command import StageError, run
from sunflow.stages.command import logger as log


def energy_above_hull(relaxed: Path, hull: Path, output: Path) -> None:
    """Write one row per crystal; a crystal without an energy or that the hull does not cover has no distance."""
    reference = Hull.read(hull)
    refuse_mixed_scales(reference, relaxed, hull)
    crystals = read_crystals(relaxed)
    rows = [
        {"crystal_id": crystal.crystal_id, **vars(measured(crystal, reference))}
        for crystal in progress(crystals, "placing on the hull", "crystals")
    ]
    columns = ["crystal_id", "formation_energy_per_atom", "energy_above_hull", "coverage"]
    table = pd.DataFrame(rows, columns=columns).rename(columns={"coverage": "hull_coverage"})
    log.info("coverage: %s", dict(Counter(table["hull_coverage"])))
    write_text(output, table.to_csv(index=False))


def measured(crystal: Crystal, hull: Hull) -> HullDistance:
    """The distance of a crystal that has an energy; for one that has none only what the hull knows of it."""
    if not crystal.num_atoms:
        return HullDistance(None, None, "not_covered")
    energy = crystal.properties.get("energy_per_atom")
    if crystal.status == "failed" or energy is None:
        return HullDistance(None, None, hull.coverage(composition(crystal)))
    return hull.distance(composition(crystal), float(energy))


def refuse_mixed_scales(hull: Hull, relaxed: Path, path: Path) -> None:
    """Energies of different weights must not meet.

    Raises:
        StageError: The hull's energies come from another potential than the crystals'.
    """
    own, theirs = hull.metadata.get("weights_hash"), read_metadata(relaxed).get("weights_hash")
    if own is not None and own != theirs:
        raise StageError(
            f"{path} holds energies of {hull.metadata['potential']} (weights {own[:12]}), but {relaxed} those of"
            f" {read_metadata(relaxed).get('potential')} (weights {str(theirs)[:12]}): build the hull anew"
        )


if __name__ == "__main__":
    run(energy_above_hull)
