"""Draw crystals of the test split, to be judged as if they were generated: the positive control."""

import logging
from pathlib import Path

from sunflow.atomic import write_json
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.crystals.lots import lot
from sunflow.stages.command import StageError, run

logger = logging.getLogger(__name__)


def reference(settings: dict, test: Path, output: Path, output_time: Path) -> None:
    """Write crystals of the test split, ordered by crystal_id.

    `settings` holds `num_crystals` (all are taken where there are fewer) and `seed`.
    """
    crystals = [crystal for crystal in read_crystals(test) if crystal.status == "ok"]
    if not crystals:
        raise StageError(f"{test} holds no crystal whose status is ok: the dataset needs a test split")
    drawn = draw(crystals, **settings)
    logger.info("drew %d of the %d crystals of %s", len(drawn), len(crystals), test)
    write_crystals(output, drawn)
    write_json(output_time, {"network_seconds": None, "num_crystals": len(drawn)})


def draw(crystals: list[Crystal], num_crystals: int, seed: int) -> list[Crystal]:
    """Draw without replacement: the first by a hash of seed and crystal_id, so that a larger draw holds the smaller."""
    drawn = sorted(crystals, key=lambda crystal: lot(seed, crystal.crystal_id))[:num_crystals]
    return sorted(drawn, key=lambda crystal: crystal.crystal_id)


if __name__ == "__main__":
    run(reference)
