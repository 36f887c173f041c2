"""How well generated crystals cover the test split, beside its own halves and what was published."""

from pathlib import Path

import pandas as pd

from sunflow.atomic import write_text
from sunflow.evaluation.coverage import CUTOFFS, coverage
from sunflow.stages.command import logger, run
from sunflow.stages.measured import REFERENCE, compared, fingerprints, published_rows

METRICS = ("recall", "precision", "amsd_recall", "amsd_precision", "amcd_recall", "amcd_precision")


def coverage_table(settings: dict, measures: list[Path], reference: Path, output: Path) -> None:
    """Write one row per generator, one for half of the reference against the other half, and the published ones.

    `settings` holds `generators`, the names of `measures` in their order, `benchmark`, whose cutoffs are taken and
    whose published figures are added, and `seed`.
    """
    cutoffs = CUTOFFS.get(settings["benchmark"], CUTOFFS["mp20"])
    told = f"cutoffs {cutoffs.structure:g} and {cutoffs.composition:g}"
    rows = []
    for name, generated, known in compared(settings["generators"], measures, reference, settings["seed"]):
        found = coverage(fingerprints(generated), fingerprints(known), cutoffs, settings["seed"])
        logger.info(
            "%s covers %.2f %%, and is covered to %.2f %%", name, 100 * found["recall"], 100 * found["precision"]
        )
        against = "half of the reference against the other half" if name == REFERENCE else "against the whole reference"
        values = {metric: found[metric] for metric in METRICS}
        row = {"generator": name, "num_requested": len(generated), **values, **found}
        rows.append({**row, "num_reference": len(known), "protocol": f"{against}, {told}"})
    rows += published_rows(settings["benchmark"], METRICS)
    write_text(output, pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    run(coverage_table)
