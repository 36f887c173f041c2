"""How far above the convex hull is every relaxed crystal?"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata
from sunflow.crystals.structures import composition, reduced_formula
from sunflow.evaluation.hull import Hull, HullDistance, entries_table, rounded
from sunflow.evaluation.hull_entries import OWN_SCALE
from sunflow.progress import progress
from sunflow.stages.command import StageError, run
from sunflow.stages.command import logger as log

COLUMNS = (
    "crystal_id",
    "formation_energy_per_atom",
    "energy_above_hull",
    "hull_coverage",
    "decomposition",
    "energy_above_hull_with_samples",
    "status",
)


def energy_above_hull(relaxed: Path, hull: Path, output: Path) -> None:
    """Write one row per crystal; a crystal without an energy or that the hull does not cover has no distance.

    `energy_above_hull` is the distance to the hull alone, which the crystals never join, and `decomposition` the
    mixture there, in fractions of atoms. `energy_above_hull_with_samples` is the distance to the hull that all
    converged crystals of the file have joined: at least zero for each of them. Energies are in eV/atom.
    """
    reference = Hull.read(hull)
    refuse_mixed_scales(reference, read_metadata(relaxed), f"{hull} and {relaxed}")
    crystals = read_crystals(relaxed)
    distances = [measured(crystal, reference) for crystal in progress(crystals, "placing on the hull", "crystals")]
    rows = [
        (
            crystal.crystal_id,
            distance.formation_energy_per_atom,
            distance.energy_above_hull,
            distance.coverage,
            readable(distance.decomposition),
            above,
            crystal.status,
        )
        for crystal, distance, above in zip(
            crystals, distances, with_samples(crystals, distances, reference), strict=True
        )
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
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


def with_samples(crystals: Sequence[Crystal], distances: Sequence[HullDistance], hull: Hull) -> list[float | None]:
    """Energies (eV/atom) above the hull that the converged crystals have joined; None where `distances` has none."""
    covered = [
        (crystal, distance.formation_energy_per_atom if distance.energy_above_hull is not None else None)
        for crystal, distance in zip(crystals, distances, strict=True)
    ]
    joining = [
        (crystal.crystal_id, reduced_formula(crystal), formation, "sample")
        for crystal, formation in covered
        if crystal.status == "ok" and formation is not None
    ]
    joined = hull.joined_by(entries_table(joining))
    return [
        None if formation is None else rounded(formation - joined.energy(composition(crystal)))
        for crystal, formation in covered
    ]


def readable(decomposition: dict[str, float] | None) -> str | None:
    """A mixture as `0.6 TiO2 + 0.4 Ti2O3`: fractions of the atoms, to four digits."""
    if decomposition is None:
        return None
    shares = {formula: f"{share:.4g}" for formula, share in decomposition.items() if share >= 5e-5}
    return " + ".join(f"{share} {formula}" for formula, share in shares.items())


def refuse_mixed_scales(hull: Hull, crystals: dict[str, Any], files: str) -> None:
    """Energies of different weights, or with and without corrections, must not meet.

    Args:
        hull: What crystals are measured against.
        crystals: The `potential`, `weights_hash` and `energy_scale` of their energies.
        files: Where both come from, for the message.

    Raises:
        StageError: The hull's energies come from another potential than the crystals', or are on another scale.
    """
    potential, theirs = crystals.get("potential"), crystals.get("weights_hash")
    own, scale = hull.metadata.get("weights_hash"), hull.metadata.get("energy_scale")
    if own is not None:
        if own != theirs:
            raise StageError(
                f"{files}: the hull is of {hull.metadata['potential']} (weights {own[:12]}), but the crystals' energies"
                f" are of {potential} (weights {str(theirs)[:12]}): build the hull anew"
            )
    elif scale == OWN_SCALE:
        log.warning("%s: nothing but your word says that the hull is on the scale of %s", files, potential)
    elif scale is None or scale != crystals.get("energy_scale"):
        raise StageError(
            f"{files}: the hull is on the scale {scale or 'unknown'}, but the crystals' energies, of {potential}, are"
            f" on the scale {crystals.get('energy_scale') or 'unknown'}: distances between them mean nothing. Choose"
            " hull: self_consistent for this potential, or a potential on the hull's scale, and build both anew"
        )


if __name__ == "__main__":
    run(energy_above_hull)
