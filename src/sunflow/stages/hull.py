"""Build the convex hull that a dataset's crystals are judged against."""

import logging
from pathlib import Path

from sunflow.crystals.files import read_crystals
from sunflow.evaluation.hull_elements import HullError
from sunflow.evaluation.hull_sources import KINDS
from sunflow.stages.command import StageError, run

logger = logging.getLogger(__name__)


def hull(settings: dict, crystals: list[Path], files: list[Path], output: Path) -> None:
    """Write the hull of `settings["kind"]`, from the dataset's splits and the files that this kind needs."""
    try:
        built = KINDS[settings["kind"]]([crystal for path in crystals for crystal in read_crystals(path)], files)
    except HullError as error:
        raise StageError(str(error)) from error
    logger.info("%d entries, %d elements", len(built.entries), len(built.element_energies))
    built.write(output)


if __name__ == "__main__":
    run(hull)
