"""The training curve: one row per epoch."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import write_text


class Curve:
    """Means over the running epoch, and the rows of the epochs that are done.

    Attributes:
        rows: epoch, step, train_loss and its terms (means over the epoch's crystals), validation_loss (None where there
            was no validation), learning_rate, crystals_per_second, seconds (validation included), skipped (batches).
        running: Sums over the running epoch.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.running: dict[str, float] = {}
        self._restart()

    def _restart(self) -> None:
        self.running = {"crystals": 0, "training_seconds": 0.0, "seconds": 0.0, "skipped": 0}

    def add_batch(self, terms: dict[str, float] | None, crystals: int, seconds: float) -> None:
        """Count a batch of the running epoch; `terms` is None if it was skipped."""
        sums = defaultdict(float, self.running)
        sums["seconds"] += seconds
        if terms is None:
            sums["skipped"] += 1
        else:
            sums["training_seconds"] += seconds
            sums["crystals"] += crystals
            for name, value in terms.items():
                sums[f"term/{name}"] += value * crystals
        self.running = dict(sums)

    def end_epoch(
        self, epoch: int, step: int, validation_loss: float | None, learning_rate: float, seconds: float
    ) -> None:
        """Close the running epoch, whose validation took `seconds`."""
        sums = self.running
        crystals = max(sums["crystals"], 1)
        terms = {name.removeprefix("term/"): sums[name] / crystals for name in sums if name.startswith("term/")}
        self.rows.append(
            {
                "epoch": epoch,
                "step": step,
                "train_loss": sum(terms.values()) if terms else None,
                **terms,
                "validation_loss": validation_loss,
                "learning_rate": learning_rate,
                "crystals_per_second": round(sums["crystals"] / max(sums["training_seconds"], 1e-9), 1),
                "seconds": round(sums["seconds"] + seconds, 3),
                "skipped": int(sums["skipped"]),
            }
        )
        self._restart()

    def write(self, path: Path) -> None:
        """Write the rows as CSV, atomically; without any, their header."""
        first = ["epoch", "step", "train_loss"]
        last = ["validation_loss", "learning_rate", "crystals_per_second", "seconds", "skipped"]
        table = pd.DataFrame(self.rows, columns=None if self.rows else [*first, *last])
        terms = [name for name in table.columns if name not in first + last]
        write_text(path, table[[*first, *terms, *last]].to_csv(index=False))

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for a resumable state."""
        return {"rows": list(self.rows), "running": dict(self.running)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` left off."""
        self.rows, self.running = list(state["rows"]), dict(state["running"])
