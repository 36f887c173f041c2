"""Structure fingerprints against matminer's."""

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matminer.featurizers.site.fingerprint import CrystalNNFingerprint
from pymatgen.core import Structure

import sunflow.crystals.demo
from bench.samples import GENERATED
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.npz_files import entries_of_npz
from sunflow.crystals.sources import Entry, read_entries
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.evaluation.structure_fingerprint import structure_fingerprint

DATASETS = ("mp_20", "mpts_52", "perov_5", "carbon_24")
BOUND = 1e-6
"""Of the difference of any feature."""


def fingerprints(mirror: Path | None = None, crystals: int = 20) -> None:
    """So many crystals at equal distances in every test split and in raw samples; the embedded ones without a mirror.

    Both take turns after every crystal; one pass, no median.
    """
    featurizer = CrystalNNFingerprint.from_preset("ops")
    for name, entries in _sources(mirror).items():
        _compare(name, [_read(entry) for entry in entries[:: max(1, len(entries) // crystals)][:crystals]], featurizer)


def _sources(mirror: Path | None) -> dict[str, list[Entry]]:
    if mirror is None:
        demo = read_crystals(Path(sunflow.crystals.demo.__path__[0]) / "demo.parquet")
        return {"embedded dataset": [Entry(crystal.crystal_id, crystal) for crystal in demo]}
    tables = {name: next((mirror / name).glob("test.csv*"), mirror / name / "test.csv") for name in DATASETS}
    real = {name: read_entries(path, "material_id", "cif", {}) for name, path in tables.items()}
    return real | {"raw samples of DiffCSP": entries_of_npz(mirror / GENERATED)}


def _read(entry: Entry) -> Crystal:
    if isinstance(entry.content, Crystal):
        return entry.content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # thirds that are written with six digits become thirds
        return from_structure(entry.crystal_id, Structure.from_str(entry.content, fmt="cif"))


def _compare(name: str, crystals: list[Crystal], featurizer: Any) -> None:
    """Both must fail for the same crystals, and say the same of all others."""
    structure_fingerprint(crystals[0])
    _theirs(featurizer, crystals[0])
    seconds, error, failures = np.zeros(2), 0.0, 0
    for crystal in crystals:
        start = time.process_time()
        theirs = _theirs(featurizer, crystal)
        between = time.process_time()
        ours = _ours(crystal)
        seconds += between - start, time.process_time() - between
        if (theirs is None) != (ours is None):
            raise AssertionError(f"{crystal.crystal_id} fails for one of both only")
        failures += theirs is None
        error = max(error, 0.0 if theirs is None or ours is None else float(np.abs(theirs - ours).max()))
    if not error < BOUND:
        raise AssertionError(f"the fingerprints of {name} differ by {error:.1e}")
    _print(name, crystals, seconds, f"largest difference {error:.1e}, {failures} fail for both")


def _theirs(featurizer: Any, crystal: Crystal) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structure = to_structure(crystal)
            return np.mean([featurizer.featurize(structure, site) for site in range(len(structure))], axis=0)
        except (ValueError, RuntimeError, TypeError, ArithmeticError):
            return None


def _ours(crystal: Crystal) -> np.ndarray | None:
    try:
        return structure_fingerprint(crystal)
    except ValueError:
        return None


def _print(name: str, crystals: list[Crystal], seconds: np.ndarray, agreement: str) -> None:
    atoms = sum(crystal.num_atoms for crystal in crystals)
    print(f"{name}: {len(crystals)} crystals, {atoms} atoms; {agreement}")
    for who, value in zip(("matminer", "Sunflow"), seconds, strict=True):
        print(f"{who:32s} {1e3 * value / atoms:8.2f} ms an atom   {seconds[0] / value:6.2f} x")
