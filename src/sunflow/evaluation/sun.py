"""Stable, unique, novel: the verdict on every requested crystal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import space_group
from sunflow.evaluation.comparing import run_all
from sunflow.evaluation.comparison import log_failures
from sunflow.evaluation.comparison_tasks import Relaxation
from sunflow.evaluation.reduced import formula_of
from sunflow.evaluation.similarity import Similarity
from sunflow.evaluation.sun_curve import is_true
from sunflow.evaluation.survey import Survey
from sunflow.evaluation.validity import geometry_valid
from sunflow.journal import Journal

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
    "rmsd_to_relaxed",
    "unique",
    "same_as",
    "matches_none",
    "composition_new",
    "novel",
    "matched_train_id",
    "novel_in_dataset",
    "matched_dataset_id",
    "comparison_reason",
    "metastable",
    "stable",
    "sun",
    "sun_with_samples",
)
NO_SIMILARITY = Similarity(None, "", None, None, None, "", None, "", "")
"""Of a crystal that was not compared, as its relaxation failed."""


@dataclass(frozen=True)
class Crystals:
    """The crystals to be judged.

    Attributes:
        samples: As generated.
        relaxed: The same after relaxation, in the same order.
        energies: The table that the stage `energy_above_hull` wrote of them.

    Raises:
        ValueError: The three do not hold the same crystals.
    """

    samples: Sequence[Crystal]
    relaxed: Sequence[Crystal]
    energies: pd.DataFrame

    def __post_init__(self) -> None:
        names = [crystal.crystal_id for crystal in self.samples]
        if [crystal.crystal_id for crystal in self.relaxed] != names or list(self.energies["crystal_id"]) != names:
            raise ValueError("samples, relaxed crystals and energies do not hold the same crystals in the same order")

    def pairs(self) -> list[tuple[Crystal, Crystal]]:
        """Those that were relaxed, as generated and relaxed."""
        pairs = zip(self.samples, self.relaxed, strict=True)
        return [(sample, final) for sample, final in pairs if final.status != "failed"]

    def measured(self) -> dict[str, dict[str, Any]]:
        """The rows of the table of energies, by crystal_id."""
        table = self.energies.astype(object).where(self.energies.notna(), None).set_index("crystal_id")
        return {str(name): dict(row) for name, row in table.iterrows()}


@dataclass(frozen=True)
class Comparisons:
    """What the comparisons of crystals have told, by crystal_id; failed crystals are missing.

    Attributes:
        similarities: To one another and to known crystals.
        distances: Of the relaxed crystals from the generated ones, in Å; None where they cannot be aligned.
    """

    similarities: Mapping[str, Similarity]
    distances: Mapping[str, float | None]


def compare_all(
    crystals: Crystals, known: Mapping[str, Sequence[Crystal]], compare: str, journal: Journal, num_processes: int
) -> Comparisons:
    """Compare the crystals with one another, with known ones, and with themselves before their relaxation.

    Args:
        crystals: To be judged.
        known: The dataset's crystals by split: `train` and others. Samples that were drawn from it, such as those of
            the positive control, are not compared with themselves.
        compare: `relaxed` or `generated` structures are judged as unique and novel.
        journal: Of this work.
        num_processes: How many.
    """
    pairs, measured = crystals.pairs(), crystals.measured()
    chosen = [sample if compare == "generated" else final for sample, final in pairs]
    above = [measured[crystal.crystal_id]["energy_above_hull"] for crystal in chosen]
    survey = Survey(chosen, above, known, drawn(crystals.samples, known), num_processes)
    moves = [Relaxation(f"relaxation {sample.crystal_id}", sample, final) for sample, final in pairs]
    outcomes = run_all([*survey.tasks(), *moves], journal, num_processes)
    log_failures([*survey.failures(), *(failure for outcome in outcomes.values() for failure in outcome.failures)])
    distances = {move.generated.crystal_id: (outcomes[move.name].found or {}).get("distance") for move in moves}
    return Comparisons(survey.similarities(outcomes), distances)


def drawn(samples: Sequence[Crystal], known: Mapping[str, Sequence[Crystal]]) -> frozenset[str]:
    """The ids of samples that were not generated but drawn from the dataset: the same id, and the same numbers."""
    by_id = {sample.crystal_id: sample for sample in samples}
    others = (other for split in known.values() for other in split if other.crystal_id in by_id)
    return frozenset(other.crystal_id for other in others if _equal(by_id[other.crystal_id], other))


def _equal(first: Crystal, second: Crystal) -> bool:
    names = ("atomic_numbers", "lattice", "frac_coords")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def judge(crystals: Crystals, comparisons: Comparisons, stable: float, metastable: float) -> pd.DataFrame:
    """One row per requested crystal, in their order, with `COLUMNS`.

    Args:
        crystals: To be judged.
        comparisons: Of them all.
        stable: Highest energy above hull of a stable crystal, eV/atom.
        metastable: The same of a metastable one; stable ones are metastable too.
    """
    measured = crystals.measured()
    rows = [
        _row(sample, final, measured[final.crystal_id], comparisons, {"metastable": metastable, "stable": stable})
        for sample, final in zip(crystals.samples, crystals.relaxed, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    sample: Crystal,
    relaxed: Crystal,
    measured: Mapping[str, Any],
    comparisons: Comparisons,
    limits: Mapping[str, float],
) -> dict[str, Any]:
    judged = relaxed.status != "failed"
    converged = relaxed.status == "ok"
    above = measured["energy_above_hull"] if converged else None
    row = {
        "crystal_id": relaxed.crystal_id,
        "formula": formula_of(relaxed if judged else sample),
        "num_atoms": relaxed.num_atoms or sample.num_atoms,
        "space_group": space_group(relaxed) if judged else None,
        "status": relaxed.status,
        "reason": relaxed.reason,
        "geometry_valid": geometry_valid(sample),
        "converged": converged,
        "energy_per_atom": relaxed.properties.get("energy_per_atom") if judged else None,
        **measured,
        "rmsd_to_relaxed": comparisons.distances.get(relaxed.crystal_id),
        **asdict(comparisons.similarities.get(relaxed.crystal_id, NO_SIMILARITY)),
        **{name: None if above is None else above <= limit for name, limit in limits.items()},
    }
    parts = row["stable"], row["unique"], row["novel"]
    row["sun"] = None if None in parts else all(parts)
    with_samples = measured["energy_above_hull_with_samples"]
    row["sun_with_samples"] = None if row["sun"] is None else row["sun"] and with_samples <= limits["stable"]
    return row


def count_true(column: pd.Series) -> int:
    """How many values are true; empty ones are not."""
    return int(is_true(column).sum())
