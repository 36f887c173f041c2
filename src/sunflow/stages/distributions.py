"""How far the distributions of generated crystals' properties are from those of the test split."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text
from sunflow.evaluation.distributions import PROPERTIES, distribution_distances
from sunflow.stages.command import StageError, run
from sunflow.stages.measured import REFERENCE, compared, published_rows, with_energies

NAMES = ("generator", "property", "distance", "low", "high", "definition", "protocol")
COLUMNS = (*NAMES, "num_generated", "num_reference")


def distributions(
    settings: dict,
    measures: list[Path],
    relaxed: list[Path],
    reference: Path,
    relaxed_reference: list[Path],
    output: Path,
) -> None:
    """Write two rows per generator and property, also of half of the reference against the other, and published ones.

    `settings` holds `generators`, the names of `measures` in their order, `benchmark`, whose published figures are
    added, and `seed`. `relaxed`, in the same order, holds energies; without it, and without that of reference crystals
    in `relaxed_reference`, there are no rows of energies.
    """
    if relaxed and len(relaxed) != len(measures):
        raise StageError(f"{len(measures)} files of measures, but {len(relaxed)} of relaxed crystals came")
    own = dict(zip(settings["generators"], relaxed, strict=False))
    control = relaxed_reference[0] if relaxed_reference else None
    rows: list[dict[str, Any]] = []
    for name, generated, known in compared(settings["generators"], measures, reference, settings["seed"]):
        generated = with_energies(generated, control if name == REFERENCE else own.get(name))
        for row in distribution_distances(generated, with_energies(known, control), settings["seed"]):
            rows.append({"generator": name, **row})
    rows += published_distances(settings["benchmark"], list(PROPERTIES))
    write_text(output, pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False))


def published_distances(benchmark: str | None, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row per published distance."""
    for line in published_rows(benchmark, names):
        for name in names:
            if name in line:
                row = {"generator": line["generator"], "property": name, "distance": line[name]}
                yield {**row, "definition": f"as published: {name}", "protocol": line["protocol"]}


if __name__ == "__main__":
    run(distributions)
