"""Match rate against the number of sampling steps as a still picture (CrysBFN, figure 4)."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from sunflow.report.figures import PALETTE
from sunflow.report.rows import REFERENCE, REFERENCE_COLOR

FILTER, NUM_CANDIDATES = "crysbfn", 1
"""Which rates are drawn: those of the paper's figure."""


def write_step_figure(path: Path, table: pd.DataFrame) -> None:
    """Draw the rates of match_rate.csv with their intervals, a line per generator, in the format of the path's suffix.

    The reference, which takes no steps, is a level.
    """
    shown = table[table["filter"].eq(FILTER) & table["k"].eq(NUM_CANDIDATES)]
    generated = shown[shown["generator"].ne(REFERENCE)]
    with rc_context({"svg.hashsalt": "sunflow", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        for index, (generator, rows) in enumerate(generated.groupby("generator", sort=False)):
            _draw_line(axes, str(generator), rows.sort_values("num_steps"), PALETTE[index % len(PALETTE)])
        for rate in shown["match_rate"][shown["generator"].eq(REFERENCE)]:
            axes.axhline(100 * rate, color=REFERENCE_COLOR, linestyle="--", linewidth=1.0, label=REFERENCE)
        axes.set(xlabel="number of steps", ylabel=f"match rate (%), filter {FILTER}", xscale="log")
        steps = sorted({int(steps) for steps in generated["num_steps"]})
        axes.set_xticks(steps, labels=map(str, steps))
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_line(axes: Any, label: str, rows: pd.DataFrame, color: str) -> None:
    """One generator's rates in % with Wilson's intervals."""
    steps, rates = rows["num_steps"].astype(int), 100 * rows["match_rate"].astype(float)
    low, high = (100 * rows[f"match_rate_{end}"].astype(float) for end in ("low", "high"))
    bars = [rates - low, high - rates]
    axes.errorbar(steps, rates, bars, color=color, linewidth=1.6, capsize=3, marker="o", markersize=4, label=label)
