"""What became of every requested crystal: outcomes, reasons, the funnel, elements and space groups."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Element

from sunflow.report.rows import Row

OUTCOMES = {
    "sun": "stable, unique, novel",
    "stable": "stable, but known or a duplicate",
    "metastable": "metastable",
    "unstable": "above the metastable threshold",
    "not_covered": "not covered by the hull",
    "not_converged": "not converged",
    "failed": "failed",
}
"""Every requested crystal has exactly one of these outcomes."""


@dataclass(frozen=True)
class Step:
    """A bar of the funnel."""

    name: str
    definition: str
    is_filter: bool
    counts: list[int]


def outcomes(crystals: pd.DataFrame) -> dict[str, int]:
    """How many crystals had each outcome, in the order of `OUTCOMES`."""
    converged = _true(crystals, "converged")
    conditions = {
        "sun": _true(crystals, "sun"),
        "stable": _true(crystals, "stable"),
        "metastable": _true(crystals, "metastable"),
        "unstable": converged & crystals["energy_above_hull"].notna(),
        "not_covered": converged,
        "not_converged": crystals["status"].ne("failed"),
    }
    chosen = np.select([condition.to_numpy(bool) for condition in conditions.values()], list(conditions), "failed")
    counted = Counter(chosen.tolist())
    return {name: counted[name] for name in OUTCOMES}


def statuses(crystals: pd.DataFrame) -> dict[str, int]:
    """Requested = ok + not converged + failed."""
    counted = Counter(crystals["status"])
    return {name: counted[name] for name in ("ok", "not_converged", "failed")}


def reasons(crystals: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Status, reason and count of the crystals that are not ok, most frequent first; numbers in reasons become `…`."""
    troubled = crystals[crystals["status"].ne("ok")]
    general = troubled["reason"].map(lambda reason: re.sub(r"(?<![\w.])[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "…", reason))
    counted = Counter(zip(troubled["status"], general, strict=True))
    return [(status, reason or "no reason given", count) for (status, reason), count in counted.most_common()]


def funnel(rows: list[Row], stable: float, metastable: float) -> list[Step]:
    """The steps from requested to S.U.N.; every filter keeps only what the filters above it kept."""
    covered = "an energy above hull exists: the reference knows every element of the crystal"
    filters = [
        ("converged", "relaxed below the force limit within the allowed steps", "converged"),
        ("covered", covered, "covered"),
        ("metastable", f"energy above hull ≤ {metastable:g} eV/atom", "metastable"),
        ("stable", f"energy above hull ≤ {stable:g} eV/atom", "stable"),
        ("unique", "of equal crystals among the generated ones, only the lowest in energy", "unique"),
        ("novel = S.U.N.", "matches no crystal of the training split", "novel"),
    ]
    tables = [row.crystals.assign(covered=row.crystals["energy_above_hull"].notna()) for row in rows]
    kept = [pd.Series(True, index=table.index) for table in tables]
    valid = [int(_true(table, "geometry_valid").sum()) for table in tables]
    steps = [
        Step("requested", "the denominator of every rate", True, [row.num_requested for row in rows]),
        Step("geometry valid", "sensible distances and volume as generated: reported, not required", False, valid),
    ]
    for name, definition, column in filters:
        kept = [mask & _true(table, column) for mask, table in zip(kept, tables, strict=True)]
        steps.append(Step(name, definition, True, [int(mask.sum()) for mask in kept]))
    return steps


def element_shares(row: Row) -> dict[str, float]:
    """The share of the row's crystals (those that have atoms) that contain each element."""
    crystals = [crystal for crystal in row.relaxed if crystal.num_atoms]
    counted = Counter(int(z) for crystal in crystals for z in np.unique(crystal.atomic_numbers))
    return {Element.from_Z(z).symbol: count / len(crystals) for z, count in sorted(counted.items())}


def space_groups(rows: list[Row], most: int = 8) -> list[tuple[int, list[float]]]:
    """The most frequent space groups over all rows with, per row, the share of requested crystals that have it."""
    shares = [
        row.crystals["space_group"].dropna().astype(int).value_counts() / max(row.num_requested, 1) for row in rows
    ]
    totals: dict[int, float] = defaultdict(float)
    for share in shares:
        for number, value in share.items():
            totals[int(str(number))] += float(value)
    commonest = sorted(totals.items(), key=lambda item: -item[1])[:most]
    return [(number, [float(share.get(number, 0.0)) for share in shares]) for number, _ in commonest]


def _true(crystals: pd.DataFrame, column: str) -> pd.Series:
    return crystals[column].eq(True).fillna(False).astype(bool)
