"""Real, perturbed and generated crystals, the same in every run."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pymatgen.core import Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.lattice import lattice_from_parameters
from sunflow.crystals.sources import read_entries
from sunflow.crystals.structures import from_structure
from sunflow.relaxation.potential import Potential
from sunflow.relaxation.screening import why_not

MP20_TEST = "mp_20/test.csv"
GENERATED = "generated/diffcsp_mp20_10000_samples.npz"
"""10 000 raw samples of DiffCSP for MP-20, another group's run."""
STRAIN, MOTION = 0.03, 0.05
"""Standard deviations: of every entry of the strain, and of every coordinate in Å."""


def real(mirror: Path | None, count: int) -> list[Crystal]:
    """Crystals at equal distances in the test split of MP-20, as they are written there."""
    plain, packed = (_inside(mirror, f"{MP20_TEST}{ending}") for ending in ("", ".gz"))
    entries = read_entries(plain if plain.exists() else packed, "material_id", "cif", {})
    chosen = entries[:: max(1, len(entries) // count)][:count]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # thirds that are written with six digits become thirds
        return [from_structure(each.crystal_id, Structure.from_str(str(each.content), fmt="cif")) for each in chosen]


def perturbed(crystals: Sequence[Crystal], seed: int = 0) -> list[Crystal]:
    """Cells strained by some percent, atoms moved by about 0.1 Å."""
    random = np.random.default_rng(seed)
    moved = []
    for crystal in crystals:
        lattice = crystal.lattice @ (np.eye(3) + STRAIN * random.normal(size=(3, 3)))
        moves = MOTION * random.normal(size=(crystal.num_atoms, 3)) @ np.linalg.inv(lattice)
        moved.append(replace(crystal, lattice=lattice, frac_coords=np.mod(crystal.frac_coords + moves, 1.0)))
    return moved


def generated(mirror: Path | None, count: int, potential: Potential, seed: int = 0) -> list[Crystal]:
    """Samples drawn at random among those that the potential can be asked about."""
    samples = np.load(_inside(mirror, GENERATED))
    lengths, angles = (torch.tensor(samples[name], dtype=torch.float64) for name in ("lengths", "angles"))
    lattices = lattice_from_parameters(lengths, angles).numpy()
    places = np.cumsum(samples["num_atoms"])[:-1]
    coords, numbers = (np.split(samples[name], places) for name in ("frac_coords", "atom_types"))
    chosen: list[Crystal] = []
    for index in np.random.default_rng(seed).permutation(len(lattices)).tolist():
        frac_coords = np.mod(coords[index].astype(np.float64), 1.0)
        crystal = Crystal(f"sample-{index:04d}", lattices[index], frac_coords, numbers[index])
        if len(chosen) < count and not why_not(crystal, potential.atomic_numbers):
            chosen.append(crystal)
    return chosen


def _inside(mirror: Path | None, place: str) -> Path:
    if mirror is None:
        raise SystemExit(f"name the folder that holds {place}: --mirror, or SUNFLOW_MIRROR")
    return mirror / place
