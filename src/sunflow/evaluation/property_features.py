"""What a property network is told of a crystal: its fingerprints, its density and its volume per atom."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

FINGERPRINTS = {"composition_fingerprint": 132, "structure_fingerprint": 61}
"""Columns of measures.parquet that hold lists, and how many numbers there are in each."""
NUMBERS = ("density", "volume_per_atom")
"""Columns that hold one number, in g/cm³ and Å³."""
NUM_FEATURES = sum(FINGERPRINTS.values()) + len(NUMBERS)


@dataclass(frozen=True)
class Features:
    """Of the crystals of a set that have them.

    Attributes:
        values: (crystals, `NUM_FEATURES`).
        crystal_ids: Of these rows.
        failures: crystal_id → why a crystal has none; with `crystal_ids` all crystals of the set.
    """

    values: np.ndarray
    crystal_ids: list[str]
    failures: dict[str, str]


def features_of(measures: pd.DataFrame) -> Features:
    """The features of measured crystals, from the table that the stage `measure` writes."""
    failures = {str(row["crystal_id"]): reason for row in measures.to_dict("records") if (reason := _lacks(row))}
    known = measures[~measures["crystal_id"].astype(str).isin(failures.keys())]
    parts = [
        np.array(known[name].tolist(), dtype=float).reshape(len(known), size)
        for name, size in {**FINGERPRINTS, **dict.fromkeys(NUMBERS, 1)}.items()
    ]
    return Features(np.hstack(parts), known["crystal_id"].astype(str).tolist(), failures)


def _lacks(row: dict) -> str:
    """Why a crystal has no features; empty for one that has."""
    if not row["fingerprinted"]:
        return f"no fingerprint: {row['fingerprint_reason']}"
    numbers = [np.asarray(row[name], dtype=float).ravel() for name in (*FINGERPRINTS, *NUMBERS)]
    finite = all(np.isfinite(values).all() for values in numbers)
    return "" if finite else "a fingerprint, the density or the volume per atom is not a finite number"
