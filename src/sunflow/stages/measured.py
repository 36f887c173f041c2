"""Tables of measures, read and set beside one another."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sunflow.crystals.files import read_crystals
from sunflow.crystals.lots import lot
from sunflow.evaluation.coverage import Fingerprints
from sunflow.evaluation.measures import FINGERPRINTS
from sunflow.evaluation.published import published
from sunflow.stages.command import StageError

REFERENCE = "reference"


def read_measures(path: Path) -> pd.DataFrame:
    """What the stage `measure` wrote, one row per crystal.

    Raises:
        StageError: It holds none.
    """
    table = pq.read_table(path).to_pandas()
    if table.empty:
        raise StageError(f"{path} holds no crystals: there is nothing to judge")
    return table


def fingerprints(table: pd.DataFrame) -> Fingerprints:
    """Those of the crystals that have them."""
    known = table[table["fingerprinted"]]
    structure, composition = (np.array(known[name].tolist(), dtype=float) for name in FINGERPRINTS)
    return Fingerprints(structure, composition, len(table))


def halves(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two disjoint halves, drawn by a hash of seed and crystal_id: the positive control of what compares two sets."""
    lots = [lot(seed, name) for name in table["crystal_id"]]
    first = pd.Series(lots, index=table.index).rank() <= len(table) / 2
    return table[first], table[~first]


def with_energies(table: pd.DataFrame, relaxed: Path | None) -> pd.DataFrame:
    """The measures with `energy_per_atom`, that of the relaxer before it moved an atom, empty where there is none."""
    crystals = read_crystals(relaxed) if relaxed else []
    energies = {crystal.crystal_id: crystal.properties.get("initial_energy_per_atom") for crystal in crystals}
    return table.assign(energy_per_atom=pd.to_numeric(table["crystal_id"].map(energies)))


def compared(
    generators: Sequence[str], measures: Sequence[Path], reference: Path, seed: int
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Each generator's crystals with the reference, and then one half of the reference with the other.

    Raises:
        StageError: A file is missing or empty.
    """
    if len(generators) != len(measures):
        raise StageError(f"{len(generators)} generators, but {len(measures)} files of measures came")
    known = read_measures(reference)
    for name, path in zip(generators, measures, strict=True):
        yield name, read_measures(path), known
    first, second = halves(known, seed)
    if len(first):
        yield REFERENCE, first, second


def published_rows(benchmark: str | None, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Published lines in the form of ours: named as published, with their protocol."""
    for line in published(benchmark, metrics):
        yield {"generator": f"{line.pop('method')} (published)", "protocol": line.pop("protocol"), **line}
