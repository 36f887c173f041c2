"""Anybody's crystals: CIFs in a folder or archive, extended XYZ, tables with CIFs, NumPy archives, our own files."""

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from sunflow.crystals.cif_files import entries_of_folder, entries_of_zip, entry_of_file, one_line
from sunflow.crystals.cif_tables import entries_of_csv, entries_of_parquet
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.extended_xyz import entries_of_extended_xyz
from sunflow.crystals.niggli import DroppedError, ordered
from sunflow.crystals.npz_files import entries_of_npz
from sunflow.crystals.sources import UNREADABLE, Entry
from sunflow.crystals.structures import from_structure
from sunflow.progress import progress
from sunflow.workers import Died, map_in_processes

logger = logging.getLogger(__name__)
ID_NAMES = ("crystal_id", "material_id", "id", "name")
"""Columns of tables and keys of extended XYZ that may hold a crystal's name; the first that is there does."""
KINDS: dict[str, Callable[[Path], list[Entry]]] = {
    ".cif": entry_of_file,
    ".zip": entries_of_zip,
    ".extxyz": partial(entries_of_extended_xyz, id_names=ID_NAMES),
    ".xyz": partial(entries_of_extended_xyz, id_names=ID_NAMES),
    ".csv": partial(entries_of_csv, id_names=ID_NAMES),
    ".csv.gz": partial(entries_of_csv, id_names=ID_NAMES),
    ".parquet": partial(entries_of_parquet, id_names=ID_NAMES),
    ".npz": entries_of_npz,
}
"""Endings of files → what reads them."""
WORTH_A_PROCESS = 200
"""CIFs that take longer to parse than a process needs to start."""


def read_inputs(path: Path, num_processes: int = 1) -> list[Crystal]:
    """All crystals of a folder or file as they are there, not reduced, with unique names, in a fixed order.

    A crystal that cannot be read is a failed one with the reason. A crystal without a name gets its number, counted
    from 0, as six digits; the second and later ones of a name get `_2`, `_3` and so on. Crystals of folders and
    archives have the property `file`, their path in there; those of the project's own files keep their properties.

    Raises:
        ValueError: There is no such file, it is of no known kind, it cannot be read, or it holds no crystals.
    """
    try:
        entries = _entries(path)
    except (*UNREADABLE, pa.ArrowException) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not entries:
        what = "*.cif" if path.is_dir() or path.suffix.lower() == ".zip" else "row or frame"
        raise ValueError(f"{path} holds no crystals (no {what})")
    return _parsed(_with_unique_names(path, entries), num_processes)


def _entries(path: Path) -> list[Entry]:
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    if path.is_dir():
        return entries_of_folder(path)
    for ending, entries_of in KINDS.items():
        if path.name.lower().endswith(ending):
            return entries_of(path)
    raise ValueError(f"{path} is of no known kind: give a folder of CIFs, or a file that ends in {', '.join(KINDS)}")


def _with_unique_names(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, each with a name that no other has, on one line."""
    wanted = [one_line(entry.crystal_id) or f"{number:06d}" for number, entry in enumerate(entries)]
    taken, numbers = set(wanted), Counter[str]()
    renamed = []
    for name, entry in zip(wanted, entries, strict=True):
        unique = name
        numbers[name] += 1
        if numbers[name] > 1:
            while (unique := f"{name}_{numbers[name]}") in taken:
                numbers[name] += 1
        taken.add(unique)
        renamed.append(replace(entry, crystal_id=unique))
    if repeated := [name for name, count in Counter(wanted).items() if count > 1]:
        text = "%s: names that occur more than once are numbered from the second crystal on: %d, such as %r"
        logger.warning(text, path, len(repeated), repeated[0])
    return renamed


def _parsed(entries: Sequence[Entry], num_processes: int) -> list[Crystal]:
    """The crystals of the entries, in their order, whatever the number of processes."""
    processes = min(num_processes, sum(isinstance(entry.content, str) for entry in entries) // WORTH_A_PROCESS)
    results: Iterable[tuple[int, Any]] = ((index, crystal_of(entry)) for index, entry in enumerate(entries))
    if processes > 1:
        results = map_in_processes(_prepare, entries, processes)
    parsed = dict(progress(results, "reading", "crystals", total=len(entries)))
    for index, entry in enumerate(entries):
        if isinstance(parsed[index], Died):
            parsed[index] = Crystal.failure(entry.crystal_id, "the process died on this CIF", **entry.properties)
    return [parsed[index] for index in range(len(entries))]


def _prepare() -> Callable[[Entry], Crystal]:
    return crystal_of


def crystal_of(entry: Entry) -> Crystal:
    """The crystal of an entry as it is there, or a failed one whose reason begins with the kind of defect."""
    if isinstance(entry.content, Crystal):
        return replace(entry.content, crystal_id=entry.crystal_id, properties=entry.properties)
    try:
        return from_structure(entry.crystal_id, ordered(entry, sys.maxsize), **entry.properties)
    except DroppedError as error:
        return Crystal.failure(entry.crystal_id, str(error), **entry.properties)
