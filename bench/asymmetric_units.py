"""Asymmetric units against PyXtal's, and built again against the crystals that they came from."""

import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Element
from pyxtal import pyxtal

from bench.samples import real
from bench.timing import print_against
from sunflow.crystals.asymmetric_unit import asymmetric_unit
from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.crystal_systems import CRYSTAL_SYSTEMS
from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.international_tables import international_tables
from sunflow.crystals.space_groups import LETTERS, SpaceGroups
from sunflow.crystals.structures import SYMMETRY_TOLERANCE, space_group, to_structure
from sunflow.crystals.wyckoff import settle

PYXTAL = "PyXtal's from_seed"
SHARE_OF_PYXTAL = 20
"""One crystal of so many is given to PyXtal too."""
BATCH = 256
POOL = 4
"""How many times more crystals are looked at, so that rare systems have their share."""


def asymmetric_units(mirror: Path | None = None, crystals: int = 1000) -> None:
    """Crystals of MP-20's test split, as many of every crystal system as can be."""
    tables = international_tables()
    chosen = _of_all_systems(real(mirror, POOL * crystals), crystals)
    seconds, units = _seconds_and_units(chosen, tables)
    kept = [(crystal, unit) for crystal, unit in zip(chosen, units, strict=True) if unit.status == "ok"]
    reasons = Counter(unit.reason.partition(":")[0] for unit in units if unit.status != "ok")
    print(
        f"{len(chosen)} crystals, {1e3 * seconds / len(chosen):.1f} ms each; without asymmetric unit: {dict(reasons)}"
    )
    _built_again(kept, tables)
    _against_pyxtal(kept[:: max(1, len(kept) * SHARE_OF_PYXTAL // crystals)], tables)
    _settled([unit for _, unit in kept], tables)


def _of_all_systems(crystals: list[Crystal], count: int) -> list[Crystal]:
    """At equal distances among the crystals of every system, as it stands at the tolerance of the encoding."""
    groups: dict[str, list[Crystal]] = {system: [] for system in CRYSTAL_SYSTEMS}
    for crystal in crystals:
        number = space_group(crystal)
        for system, numbers in CRYSTAL_SYSTEMS.items():
            groups[system] += [crystal] if number in numbers else []
    chosen: list[Crystal] = []
    for place, members in enumerate(sorted(groups.values(), key=len)):
        share = (count - len(chosen)) // (len(groups) - place)
        chosen += [members[i] for i in np.linspace(0, len(members) - 1, min(share, len(members))).astype(int)]
    print("crystals of every system: " + ", ".join(f"{len(each)} {system}" for system, each in groups.items()))
    return chosen


def _seconds_and_units(crystals: list[Crystal], tables: SpaceGroups) -> tuple[float, list[Crystal]]:
    asymmetric_unit(crystals[0], tables)
    start = time.process_time()
    units = [asymmetric_unit(crystal, tables) for crystal in crystals]
    return time.process_time() - start, units


def _built_again(kept: list[tuple[Crystal, Crystal]], tables: SpaceGroups) -> None:
    """How many crystals come back, and with which symmetry."""
    matcher = StructureMatcher()
    again = _full_cells([unit for _, unit in kept], tables)
    matched = symmetric = 0
    for (crystal, unit), built in zip(kept, again, strict=True):
        same = built.status == "ok" and matcher.fit(to_structure(crystal), to_structure(built))
        found = space_group(built) if built.status == "ok" else None
        matched += bool(same)
        symmetric += found == unit.properties["space_group"]
        if not same or found != unit.properties["space_group"]:
            print(f"  {crystal.crystal_id}: matched {bool(same)}, {unit.properties['space_group']} found as {found}")
    print(f"matched {matched / len(kept):.2%}; group found again {symmetric / len(kept):.2%} at {SYMMETRY_TOLERANCE} Å")


def _full_cells(units: list[Crystal], tables: SpaceGroups) -> list[Crystal]:
    batch = CrystalBatch.from_crystals(units)
    assert batch.space_group is not None and batch.wyckoff is not None
    cells = full_cell(
        tables,
        batch.space_group,
        batch.lattice,
        batch.frac_coords,
        batch.wyckoff,
        batch.atomic_numbers,
        batch.num_atoms,
        max_atoms=1000,
    )
    return cells.to_crystals([unit.crystal_id for unit in units])


def _against_pyxtal(kept: list[tuple[Crystal, Crystal]], tables: SpaceGroups) -> None:
    """The same group, and the same orbits by points and element."""
    seconds, agreeing = {PYXTAL: 0.0, "Sunflow": 0.0}, 0
    for crystal, unit in kept:
        start = time.process_time()
        theirs = _from_pyxtal(crystal)
        between = time.process_time()
        asymmetric_unit(crystal, tables)
        seconds[PYXTAL] += between - start
        seconds["Sunflow"] += time.process_time() - between
        agreeing += theirs == (unit.properties["space_group"], _orbits(unit, tables))
    print(f"{len(kept)} of them with PyXtal: the same group and orbits for {agreeing / len(kept):.2%}")
    print_against(PYXTAL, seconds)


def _from_pyxtal(crystal: Crystal) -> tuple[int, Counter] | None:
    found = pyxtal()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.from_seed(to_structure(crystal), tol=SYMMETRY_TOLERANCE)
    return found.group.number, Counter((site.wp.multiplicity, Element(site.specie).Z) for site in found.atom_sites)


def _orbits(unit: Crystal, tables: SpaceGroups) -> Counter:
    letters = [LETTERS.index(letter) for letter in str(unit.properties["wyckoff"])]
    rows = int(tables.first_position[int(str(unit.properties["space_group"]))]) + torch.tensor(letters)
    return Counter(zip(tables.multiplicity[rows].tolist(), unit.atomic_numbers.tolist(), strict=True))


def _settled(units: list[Crystal], tables: SpaceGroups) -> None:
    """What decoding costs: positions chosen by uncertain site symmetries, full cells built."""
    batch = CrystalBatch.from_crystals(units[:: max(1, len(units) // BATCH)][:BATCH])
    assert batch.space_group is not None and batch.wyckoff is not None
    operations = tables.site_symmetry(batch.space_group[batch.crystal_of_atom], batch.wyckoff)
    scores = 4 * torch.nn.functional.one_hot(operations, 13) + torch.randn(*operations.shape, 13)
    noisy = batch.frac_coords + 0.01 * torch.randn_like(batch.frac_coords)
    seconds = []
    for _ in range(6):
        start = time.process_time()
        settled = settle(tables, batch.space_group, batch.num_atoms, noisy, scores.log_softmax(-1), batch.lattice)
        full_cell(
            tables,
            batch.space_group,
            batch.lattice,
            settled.frac_coords,
            settled.wyckoff,
            batch.atomic_numbers,
            batch.num_atoms,
            max_atoms=1000,
        )
        seconds.append(time.process_time() - start)
    print(f"decoding {len(batch)} crystals at once: {1e3 * float(np.median(seconds[1:])) / len(batch):.2f} ms each")
