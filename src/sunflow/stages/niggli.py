"""Read a dataset and bring every crystal into its Niggli cell."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_metadata, write_crystals
from sunflow.crystals.niggli import reduce_entry
from sunflow.crystals.sources import Entry, read_entries
from sunflow.crystals.structures import reduced_formula
from sunflow.progress import progress
from sunflow.provenance import file_hash
from sunflow.stages.command import StageError, run
from sunflow.workers import Died, map_in_processes

logger = logging.getLogger(__name__)
SPLITS = ("train", "val", "test")
WORTH_A_PROCESS = 1000
"""Crystals that take longer than a process needs to start."""


def niggli(
    dataset: dict,
    files: list[Path],
    threads: int,
    output_train: Path,
    output_val: Path,
    output_test: Path,
    output_summary: Path,
) -> None:
    """Write the reduced crystals of every split, and what was kept and dropped and why.

    `dataset` is its section of the configuration; `files` are train, val and test, or one file that is split.
    """
    names = dataset["splits"] or (list(SPLITS) if len(files) == 3 else ["all"])
    sources = [entries_of(dataset, name, path) for name, path in zip(names, files, strict=True)]
    reduced = iter(reduce_all([entry for entries in sources for entry in entries], dataset["max_atoms"], threads))
    crystals: dict[str, list[Crystal]] = {split: [] for split in SPLITS}
    for name, path, entries in zip(names, files, sources, strict=True):
        for crystal in without_duplicates(list(islice(reduced, len(entries)))):
            if crystal.status != "ok":
                logger.warning("%s: %s dropped: %s", path, crystal.crystal_id, crystal.reason)
            crystals[name if name in SPLITS else split_of(crystal, dataset)].append(crystal)
    metadata = read_metadata(files[0]) if files[0].suffix == ".parquet" else {}
    summary = [row for split in SPLITS for row in counted(split, crystals[split])]
    write_text(output_summary, pd.DataFrame(summary).to_csv(index=False))
    for split, output in zip(SPLITS, (output_train, output_val, output_test), strict=True):
        kept = [crystal for crystal in crystals[split] if crystal.status == "ok"]
        if not kept and split == "train":
            raise StageError(f"no crystal of {dataset['name']} can be used for training; {output_summary} says why")
        write_crystals(output, kept, {**metadata, "dataset": dataset["name"], "split": split})


def entries_of(dataset: dict[str, Any], name: str, path: Path) -> list[Entry]:
    """The entries of a file that has the hash that the configuration asks for."""
    key = f"datasets.{dataset['name']}.sha256.{name}"
    if expected := dataset["sha256"].get(name):
        if not path.is_file():
            raise StageError(f"{path} is not a file, so it has no hash: remove {key} from config.yaml")
        if file_hash(path) != expected:
            raise StageError(f"{path} is not the file that {key} names (its own is {file_hash(path)})")
    columns = {f"{kind}_column": column for kind, column in dataset["columns"].items()}
    try:
        return read_entries(path, **columns, properties=dataset["properties"])
    except ValueError as error:
        raise StageError(f"{error}; see datasets.{dataset['name']} in config.yaml") from error


def reduce_all(entries: list[Entry], max_atoms: int, threads: int) -> list[Crystal]:
    """All entries reduced, in their order, whatever the number of processes."""
    num_processes = min(threads, len(entries) // WORTH_A_PROCESS)
    results: Iterable[tuple[int, Any]] = enumerate(reduce_entry(entry, max_atoms) for entry in entries)
    if num_processes > 1:
        results = map_in_processes(partial(_prepare, max_atoms), entries, num_processes)
    reduced = dict(progress(results, "reducing", "crystals", total=len(entries)))
    died = {index: entries[index] for index, crystal in reduced.items() if isinstance(crystal, Died)}
    reduced |= {index: Crystal.failure(entry.crystal_id, "the process died") for index, entry in died.items()}
    return [reduced[index] for index in range(len(entries))]


def _prepare(max_atoms: int) -> Callable[[Entry], Crystal]:
    return partial(reduce_entry, max_atoms=max_atoms)


def without_duplicates(crystals: list[Crystal]) -> list[Crystal]:
    """The same rows, all but the first of every crystal_id failed."""
    seen: set[str] = set()
    checked = []
    for crystal in crystals:
        checked.append(crystal.failed("duplicate id") if crystal.crystal_id in seen else crystal)
        seen.add(crystal.crystal_id)
    return checked


def split_of(crystal: Crystal, dataset: dict[str, Any]) -> str:
    """The split that a crystal names itself, or that its composition falls to by the seed.

    All crystals of one reduced formula fall to one split.
    """
    if (split := crystal.properties.get("split")) is not None:
        if split not in SPLITS:
            raise StageError(
                f"{dataset['name']}: {crystal.crystal_id} names the split {split!r}, not train, val or test"
            )
        return str(split)
    drawn = hashlib.sha256(f"{dataset['seed']}/{reduced_formula(crystal)}".encode()).digest()
    share = int.from_bytes(drawn[:8], "big") / 2**64
    fractions = dataset["fractions"]
    return "test" if share < fractions["test"] else "val" if share < fractions["test"] + fractions["val"] else "train"


def counted(split: str, crystals: list[Crystal]) -> list[dict[str, Any]]:
    """Rows of the summary: how many crystals of a split were kept, and dropped for which reason."""
    kept = [crystal for crystal in crystals if crystal.status == "ok"]
    dropped = Counter(crystal.reason.partition(":")[0] for crystal in crystals if crystal.status != "ok")
    notes = Counter(str(crystal.properties["note"]) for crystal in kept if "note" in crystal.properties)
    rows = [(split, "kept", "", len(kept))]
    rows += [(split, "dropped", reason, count) for reason, count in sorted(dropped.items())]
    rows += [(split, "noted", note, count) for note, count in sorted(notes.items())]
    return [dict(zip(("split", "outcome", "reason", "crystals"), row, strict=True)) for row in rows]


if __name__ == "__main__":
    run(niggli)
