"""Stable, unique, novel: the verdict on every requested crystal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, space_group
from sunflow.evaluation.matching import duplicates, known_matches
from sunflow.evaluation.validity import geometry_valid

COLUMNS = (
    "crystal_id",
    "formula",
    "num_atoms",
    "space_group",
    "status",
    "reason",
    "geometry_valid",
    "converged",
    "energy_per_atom",
    "formation_energy_per_atom",
    "energy_above_hull",
    "hull_coverage",
    "decomposition",
    "energy_above_hull_with_samples",
    "unique",
    "novel",
    "matched_train_id",
    "metastable",
    "stable",
    "sun",
    "sun_with_samples",
)


def judge(
    samples: Sequence[Crystal],
    relaxed: Sequence[Crystal],
    energies: pd.DataFrame,
    known: Sequence[Crystal],
    stable: float,
    metastable: float,
    compare: str,
) -> pd.DataFrame:
    """One row per requested crystal, in the order of `samples`, with `COLUMNS`.

    Args:
        samples: As generated.
        relaxed: The same crystals after relaxation, in the same order.
        energies: The table that the stage `energy_above_hull` wrote of them.
        known: The train split.
        stable: Highest energy above hull of a stable crystal, eV/atom.
        metastable: The same of a metastable one; stable ones are metastable too.
        compare: `relaxed` or `generated` structures are judged as unique and novel.

    Raises:
        ValueError: The three do not hold the same crystals.
    """
    names = [crystal.crystal_id for crystal in samples]
    if [crystal.crystal_id for crystal in relaxed] != names or list(energies["crystal_id"]) != names:
        raise ValueError("samples, relaxed crystals and energies do not hold the same crystals in the same order")
    measured = energies.astype(object).where(energies.notna(), None).set_index("crystal_id").to_dict("index")
    comparable = [
        sample if compare == "generated" else final
        for sample, final in zip(samples, relaxed, strict=True)
        if final.status != "failed"
    ]
    above = [measured[crystal.crystal_id]["energy_above_hull"] for crystal in comparable]
    repeats, matches = duplicates(comparable, above), known_matches(comparable, known)
    rows = [
        _row(sample, final, measured[final.crystal_id], repeats, matches, stable, metastable)
        for sample, final in zip(samples, relaxed, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    sample: Crystal,
    relaxed: Crystal,
    measured: dict[Any, Any],
    repeats: dict[str, str],
    matches: dict[str, str],
    stable: float,
    metastable: float,
) -> dict[str, Any]:
    judged = relaxed.status != "failed"
    converged = relaxed.status == "ok"
    above = measured["energy_above_hull"] if converged else None
    row = {
        "crystal_id": relaxed.crystal_id,
        "formula": reduced_formula(relaxed if judged else sample),
        "num_atoms": relaxed.num_atoms or sample.num_atoms,
        "space_group": space_group(relaxed) if judged else None,
        "status": relaxed.status,
        "reason": relaxed.reason,
        "geometry_valid": geometry_valid(sample),
        "converged": converged,
        "energy_per_atom": relaxed.properties.get("energy_per_atom") if judged else None,
        **measured,
        "unique": relaxed.crystal_id not in repeats if judged else None,
        "novel": relaxed.crystal_id not in matches if judged else None,
        "matched_train_id": matches.get(relaxed.crystal_id),
        "metastable": None if above is None else above <= metastable,
        "stable": None if above is None else above <= stable,
    }
    row["sun"] = None if row["stable"] is None else row["stable"] and row["unique"] and row["novel"]
    with_samples = measured["energy_above_hull_with_samples"]
    row["sun_with_samples"] = None if row["sun"] is None else row["sun"] and with_samples <= stable
    return row


def count_true(column: pd.Series) -> int:
    """How many values are true; empty ones are not."""
    return int(np.sum([value is True or value == "True" or value is np.True_ for value in column]))
