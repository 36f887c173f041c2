"""Uniqueness and novelty against StructureMatcher on crystals as they come."""

import itertools
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from bench.samples import GENERATED, real
from bench.timing import print_against
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.npz_files import entries_of_npz
from sunflow.crystals.sources import read_entries
from sunflow.crystals.structures import from_structure, reduced_formula, to_structure
from sunflow.evaluation.comparing import Outcome
from sunflow.evaluation.comparison import Comparer
from sunflow.evaluation.survey import Survey

PLAIN = "StructureMatcher().fit of pairs"
T = TypeVar("T")
Verdicts = dict[str, tuple[bool, bool, bool]]
"""Unique, matches none, novel."""


def matching(mirror: Path | None = None, crystals: int = 10_000) -> None:
    """DiffCSP's samples and MP-20's test split; then some of two splits of Carbon-24, which have one formula."""
    if mirror is None:
        raise SystemExit("name the folder that holds mp_20, carbon_24 and generated: --mirror, or SUNFLOW_MIRROR")
    samples = [
        replace(entry.content, crystal_id=f"{i:05d}") for i, entry in enumerate(entries_of_npz(mirror / GENERATED))
    ]
    _compare("DiffCSP's samples and MP-20's test split", samples[:crystals], real(mirror, crystals))
    carbon = [_carbon(mirror, split, max(2, crystals // 200)) for split in ("val", "test")]
    _compare("Carbon-24's validation and test split", *carbon)


def _carbon(mirror: Path, split: str, count: int) -> list[Crystal]:
    entries = read_entries(mirror / f"carbon_24/{split}.csv.gz", "material_id", "cif", {})[:count]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return [from_structure(each.crystal_id, Structure.from_str(str(each.content), fmt="cif")) for each in entries]


def _compare(name: str, samples: Sequence[Crystal], known: Sequence[Crystal]) -> None:
    print(f"{name}: {len(samples)} and {len(known)} crystals")
    plain, plain_seconds = _timed(lambda: _plain(samples, known))
    ours, seconds = _timed(lambda: _ours(samples, known))
    if wrong := [one for one in plain if plain[one] != ours[one]]:
        raise AssertionError(f"the verdicts on {', '.join(wrong)} differ")
    shares = (sum(column) / len(plain) for column in zip(*plain.values(), strict=True))
    told = zip(("unique", "match none", "novel"), shares, strict=True)
    print("the same verdicts: " + ", ".join(f"{share:.2%} {what}" for what, share in told))
    print_against(PLAIN, {PLAIN: plain_seconds, "reduced once, and filtered": seconds})


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def _plain(samples: Sequence[Crystal], known: Sequence[Crystal]) -> Verdicts:
    """Every pair of a formula, samples in both orders."""
    matcher = StructureMatcher()
    groups: dict[str, tuple[dict[str, Structure], list[Structure]]] = defaultdict(lambda: ({}, []))
    for crystal in samples:
        groups[reduced_formula(crystal)][0][crystal.crystal_id] = to_structure(crystal)
    for crystal in known:
        if (formula := reduced_formula(crystal)) in groups:
            groups[formula][1].append(to_structure(crystal))
    verdicts: Verdicts = {}
    for own, others in groups.values():
        same = {(a, b) for a, b in itertools.permutations(own, 2) if matcher.fit(own[a], own[b])}
        matched = {one for pair in same for one in pair}
        representatives: list[str] = []
        for one in sorted(own):
            unique = not any((one, other) in same for other in representatives)
            representatives += [one] if unique else []
            novel = not sum(matcher.fit(own[one], other) for other in others)
            verdicts[one] = unique, one not in matched, novel
    return verdicts


def _ours(samples: Sequence[Crystal], known: Sequence[Crystal]) -> Verdicts:
    """As the stage `sun`, in this process."""
    survey = Survey(samples, [None] * len(samples), {"train": known}, frozenset(), 1)
    outcomes = {}
    for task in survey.tasks():
        comparer = Comparer()
        outcomes[task.name] = Outcome(task.run(comparer), comparer.failures)
    found = survey.similarities(outcomes)
    return {name: (bool(one.unique), bool(one.matches_none), bool(one.novel)) for name, one in found.items()}
