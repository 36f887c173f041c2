"""Put the relaxed parts of a file of crystals together again."""

from collections import Counter
from pathlib import Path

from sunflow.crystals.files import read_crystals, read_metadata, write_crystals
from sunflow.stages.command import StageError, run


def gather_relaxed(crystals: Path, parts: list[Path], output: Path) -> None:
    """Write the rows of all `parts` in the order of `crystals`.

    Raises:
        StageError: A crystal is missing, occurs twice or is not in `crystals`, or the parts come from different
            potentials.
    """
    metadata = read_metadata(parts[0])
    for part in parts:
        if read_metadata(part) != metadata:
            raise StageError(f"{part} was relaxed by another potential than {parts[0]}: delete both, and run again")
    relaxed = [crystal for part in parts for crystal in read_crystals(part)]
    wanted = [crystal.crystal_id for crystal in read_crystals(crystals)]
    _check_counts(wanted, [crystal.crystal_id for crystal in relaxed], crystals)
    by_id = {crystal.crystal_id: crystal for crystal in relaxed}
    write_crystals(output, [by_id[crystal_id] for crystal_id in wanted], metadata)


def _check_counts(wanted: list[str], found: list[str], crystals: Path) -> None:
    missing, excess = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    if missing or excess:
        example = next(iter(missing or excess))
        raise StageError(
            f"the relaxed parts of {crystals} lack {missing.total()} crystals and hold {excess.total()} too many, "
            f"such as {example!r}: delete the parts, and run again"
        )


if __name__ == "__main__":
    run(gather_relaxed)
