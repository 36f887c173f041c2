"""Frames of extended XYZ files, each on its own, so that a broken one does not spoil the others."""

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import numpy as np

from sunflow.crystals.crystal import Crystal, wrapped
from sunflow.crystals.sources import Entry

BROKEN_FRAME = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, RuntimeError)
KEY_AND_VALUE = re.compile(
    r"""([^\s=]+)=("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\{[^}]*\}|\[[^]]*\]|\S*)""",
)
SINGULAR = 1e-6
"""Å³; a cell of less volume has no fractional coordinates."""


def entries_of_extended_xyz(path: Path, id_names: tuple[str, ...]) -> list[Entry]:
    """One entry per frame, named by the first of these keys that it has; nameless where it has none.

    Names are taken as they are written: to ASE, 000017 would be the number 17.

    Raises:
        ValueError: A line is not the number of atoms where one must be.
    """
    entries = []
    for comment, frame in _frames(path):
        known = dict(map(_unquoted, KEY_AND_VALUE.findall(comment)))
        crystal_id = next((known[name] for name in id_names if known.get(name, "").strip()), "")
        entries.append(Entry(crystal_id, _crystal(crystal_id, frame, known)))
    return entries


def _frames(path: Path) -> Iterator[tuple[str, str]]:
    """The comment line and the whole text of every frame."""
    lines = path.read_text(errors="replace").split("\n")
    start = 0
    while start < len(lines):
        count = lines[start].strip()
        if not count:
            start += 1
            continue
        if not (count.isascii() and count.isdigit()):
            raise ValueError(f"{path}, line {start + 1}: {count[:40]!r} is not a number of atoms")
        frame = lines[start : start + 2 + int(count)]
        yield (frame[1] if len(frame) > 1 else ""), "\n".join(frame) + "\n"
        start += len(frame)


def _unquoted(match: tuple[str, str]) -> tuple[str, str]:
    key, value = match
    if len(value) > 1 and value[0] + value[-1] in ('""', "''", "{}", "[]"):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return key, value


def _crystal(crystal_id: str, frame: str, known: Mapping[str, str]) -> Crystal:
    """The crystal of a frame, or a failed one that says what is wrong with it."""
    from ase.io.extxyz import read_xyz

    try:
        (atoms,) = read_xyz(StringIO(frame), slice(None))
    except BROKEN_FRAME as error:
        return Crystal.failure(crystal_id, " ".join(f"parse failure: {type(error).__name__}: {error}".split()))
    lattice = atoms.cell.array
    if "Lattice" not in known:
        return Crystal.failure(crystal_id, "no cell: the frame has no Lattice")
    if not atoms.pbc.all():
        return Crystal.failure(crystal_id, f"not periodic in all three directions: pbc is {known['pbc']}")
    if not (np.isfinite(lattice).all() and np.isfinite(atoms.positions).all()):
        return Crystal.failure(crystal_id, "non-finite: lattice or coordinates")
    if abs(np.linalg.det(lattice)) < SINGULAR:
        return Crystal.failure(crystal_id, "absurd volume: the cell is flat")
    if not len(atoms) or not atoms.numbers.all():
        return Crystal.failure(crystal_id, "unknown element: X" if len(atoms) else "parse failure: no atoms")
    frac_coords = wrapped(np.linalg.solve(lattice.T, atoms.positions.T).T)
    return Crystal(crystal_id, lattice, frac_coords, atoms.numbers)
