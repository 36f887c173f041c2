"""The crystals worth looking at."""

from typing import Any

from sunflow.report.rows import Row
from sunflow.report.structure_view import structure_view

Candidate = dict[str, Any]


def best_crystals(row: Row, most: int = 8) -> list[Candidate]:
    """The unique and novel crystals of lowest energy above hull, each with its line of the table and its picture."""
    lines = row.crystals
    wanted = lines["converged"].eq(True) & lines["unique"].eq(True) & lines["novel"].eq(True)
    chosen = lines[wanted.fillna(False).astype(bool) & lines["energy_above_hull"].notna()]
    chosen = chosen.sort_values(["energy_above_hull", "crystal_id"]).head(most)
    relaxed = {crystal.crystal_id: crystal for crystal in row.relaxed}
    records: list[Candidate] = [
        dict(zip(chosen.columns, line, strict=True)) for line in chosen.astype(object).to_numpy()
    ]
    return [
        {**line, "label": row.label, "sun": line["sun"] is True, "view": structure_view(relaxed[line["crystal_id"]])}
        for line in records
    ]
