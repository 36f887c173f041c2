"""Frozen crystals of the embedded dataset against frozen figures.

The figures are those of matminer, SciPy and StructureMatcher by CDVAE's definitions, without any code of Sunflow's.
"""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from sunflow.crystals.crystal import wrapped
from sunflow.crystals.files import read_crystals
from sunflow.evaluation.composition_fingerprint import composition_fingerprint
from sunflow.evaluation.coverage import CUTOFFS, Fingerprints, coverage
from sunflow.evaluation.structure_fingerprint import structure_fingerprint
from sunflow.evaluation.structure_prediction import rmsd

COVERAGE = {
    "recall": 0.35,
    "precision": 0.4,
    "amsd_recall": 0.503964673,
    "amsd_precision": 0.416146874,
    "amcd_recall": 6.674213311,
    "amcd_precision": 5.562698594,
}
"""Of every other crystal against the rest, cutoffs of MP-20."""
MATCH_RATE, RMSE = 0.85, 0.173904043
"""Of the first twenty, each against itself with its atoms moved."""


@pytest.fixture(scope="module")
def crystals():
    return read_crystals(files("sunflow.crystals").joinpath("demo/demo.parquet"))[::24][:40]


def fingerprints(crystals):
    structure = np.array([structure_fingerprint(crystal) for crystal in crystals])
    composition = np.array([composition_fingerprint(crystal) for crystal in crystals])
    return Fingerprints(structure, composition, len(crystals))


def test_coverage(crystals):
    found = coverage(fingerprints(crystals[::2]), fingerprints(crystals[1::2]), CUTOFFS["mp20"], seed=0)
    assert {name: found[name] for name in COVERAGE} == pytest.approx(COVERAGE, abs=1e-6)


def test_match_rate(crystals):
    found = []
    for crystal in crystals[:20]:
        shift = 0.08 * np.sin(np.arange(3 * crystal.num_atoms).reshape(-1, 3) ** 2)
        moved = replace(crystal, frac_coords=wrapped(crystal.frac_coords + shift))
        found.append(rmsd(moved, crystal))
    matches = [distance for distance in found if distance is not None]
    assert len(matches) / len(found) == MATCH_RATE
    assert np.mean(matches) == pytest.approx(RMSE, abs=1e-6)
