"""Do crystals have the property that they were asked for?"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sunflow.atomic import atomic_path, write_text
from sunflow.evaluation.conditional import judged_crystals
from sunflow.evaluation.conditional_groups import NAMES, REFERENCE, Group, table_of_groups, train_row
from sunflow.report.conditional_figure import write_conditional_figure
from sunflow.stages.command import StageError, logger, run
from sunflow.stages.measured import published_rows
from sunflow.stages.property_values import property_values
from sunflow.stages.sun_table import read_verdicts

NETWORK = "network"
PUBLISHED_PROPERTY = "formation_energy_per_atom"
PUBLISHED = {"target": "target", "conditional_stable": "stable_rate", "conditional_metastable": "metastable_rate"}
"""Our columns of what was published of generators that were asked for that property."""


def conditional(
    settings: dict,
    verdicts: list[Path],
    estimates: list[Path],
    networks: list[Path],
    train: Path,
    test: Path,
    output: Path,
    output_crystals: Path,
    output_plot: Path,
) -> None:
    """Write one row per generator, relaxer and estimate, with the control, the train split and published figures.

    `settings` holds `rows`, with `NAMES` and `column`, that of the estimate in its file, and `benchmark`, whose
    published figures are added. `verdicts` and `estimates` belong to the rows in this order, `networks` describe the
    property networks among them. The reference, crystals of `test`, has a further row with the dataset's own values.
    `output_crystals` gets one row per requested crystal and estimate.

    Raises:
        StageError: There are no rows, or the files do not belong together.
    """
    if not settings["rows"]:
        raise StageError("no generator of this dataset has model.property: there is nothing to judge")
    each = zip(settings["rows"], verdicts, estimates, strict=True)
    groups = [*with_truth((read_group(*files) for files in each), test)]
    values = {name: property_values(train, name) for name in dict.fromkeys(group.names["property"] for group in groups)}
    known = {name: known_values(train, name, own) for name, own in values.items()}
    rows = [*table_of_groups(groups, known, test_errors(networks))]
    log_rows(rows)
    rows += [train_row(name, own) for name, own in values.items()]
    rows += published_conditional(settings["benchmark"], list(known))
    write_text(output, pd.DataFrame(rows, dtype=object).to_csv(index=False))
    crystals = pd.DataFrame([row for group in groups for row in group.table().astype(object).to_dict("records")])
    write_text(output_crystals, crystals.to_csv(index=False))
    with atomic_path(output_plot) as temporary:
        write_conditional_figure(temporary, [(group.names, group.values.to_numpy()) for group in groups], known)


def read_group(row: dict[str, Any], verdicts: Path, estimates: Path) -> Group:
    """The crystals of a row with their estimates.

    Raises:
        StageError: The estimates are not of these crystals.
    """
    judged, table = read_verdicts(verdicts), read_verdicts(estimates)
    column = row["column"]
    if missing := [name for name in ("crystal_id", "reason", column) if name not in table]:
        raise StageError(f"{estimates} has no column {missing[0]!r}: make it again")
    if strange := set(table["crystal_id"]) - set(judged["crystal_id"]):
        raise StageError(f"{estimates} names crystals that {verdicts} does not, such as {min(strange)}: make it anew")
    table = table.set_index("crystal_id")
    values, spreads = (finite(table[name]) if name in table else {} for name in (column, "spread"))
    reasons = {str(name): reason for name, reason in table["reason"].items() if reason}
    return Group({name: row[name] for name in NAMES}, judged_crystals(judged, values, spreads, reasons))


def with_truth(groups: Iterable[Group], test: Path) -> Iterator[Group]:
    """The groups, and the reference of each relaxer and property once more, as told by the dataset.

    Raises:
        StageError: The reference is not of this test split.
    """
    told = set()
    for group in groups:
        yield group
        if group.names["generator"] == REFERENCE and group.kind not in told:
            told.add(group.kind)
            values = property_values(test, group.names["property"])
            if strange := set(group.crystals["crystal_id"]) - set(values):
                raise StageError(f"{test} does not hold the reference crystal {min(strange)}: make the reference again")
            yield group.told(values)


def known_values(train: Path, name: str, values: dict[str, float | None]) -> np.ndarray:
    """Those of the train split.

    Raises:
        StageError: There are none.
    """
    known = np.array([value for value in values.values() if value is not None])
    if not len(known):
        raise StageError(f"{train} has no value of {name}: there is nothing to compare with")
    return known


def test_errors(networks: list[Path]) -> dict[tuple[str, str], dict[str, Any]]:
    """Those of the property networks, by property and estimate."""
    described = [json.loads(path.read_text(encoding="utf-8")) for path in networks]
    return {(content["property"], NETWORK): content["test"] for content in described}


def published_conditional(benchmark: str | None, properties: list[str]) -> Iterator[dict[str, Any]]:
    """What was published of conditioned generators."""
    if PUBLISHED_PROPERTY in properties:
        for row in published_rows(benchmark, tuple(PUBLISHED)):
            names = {"generator": row["generator"], "property": PUBLISHED_PROPERTY, "protocol": row["protocol"]}
            yield names | {ours: row.get(theirs) for theirs, ours in PUBLISHED.items()}


def log_rows(rows: list[dict[str, Any]]) -> None:
    """Say of each row how many crystals count, and how near they are."""
    for row in rows:
        share = row["within_tolerance"]
        near = "" if share is None else f", {100 * share:.1f} % within {row['tolerance']:.3g} of {row['target']:g}"
        counts = f"{row['num_estimated']} of {row['num_metastable']} metastable of {row['num_requested']} requested"
        logger.info("%s by %s: %s%s", row["generator"], row["estimate"], counts, near)


def finite(column: pd.Series) -> dict[str, float]:
    """The finite numbers of a column of text, by its index."""
    numbers = pd.to_numeric(column, errors="coerce")
    return {str(name): float(value) for name, value in numbers[np.isfinite(numbers)].items()}


if __name__ == "__main__":
    run(conditional)
