"""Rates and costs against the number of sampling steps as a still picture (SymmBFN, appendix)."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from sunflow.report.figures import PALETTE

KINDS = {"stable": ("stable", "-", "o"), "sun": ("S.U.N.", ":", "s")}
"""Column of a rate → its name, line and marker."""


def write_cost_figure(path: Path, table: pd.DataFrame) -> None:
    """Draw rates, and seconds of sampling per crystal found, with their intervals, in the format of the suffix.

    Args:
        path: Of the picture.
        table: Our rows of steps.csv.
    """
    with rc_context({"svg.hashsalt": "sunflow", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        rates, costs = figure.subplots(1, 2)
        for index, (names, rows) in enumerate(table.groupby(["base", "relaxer"], sort=False)):
            color, label = PALETTE[index % len(PALETTE)], " · ".join(map(str, names))
            for kind in KINDS:
                _draw(rates, rows, f"{kind}_rate", 100.0, color, f"{label}, {KINDS[kind][0]}", kind)
                _draw(costs, rows, f"seconds_per_{kind}", 1.0, color, f"{label}, {KINDS[kind][0]}", kind)
        rates.set(ylabel="rate (%)", ylim=(0, None))
        costs.set(ylabel="seconds of sampling per crystal", yscale="log")
        for axes in (rates, costs):
            _steps_axis(axes, sorted({int(steps) for steps in table["num_steps"]}))
        rates.legend(frameon=False, fontsize=8)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw(axes: Any, rows: pd.DataFrame, name: str, scale: float, color: str, label: str, kind: str) -> None:
    """A line with intervals; where an end of an interval is unknown, none is drawn on that side."""
    ends = [f"{name}{end}" for end in ("", "_low", "_high")]
    numbers = rows.assign(**{end: pd.to_numeric(rows[end]) for end in ends})
    known = numbers.dropna(subset=[name]).sort_values("num_steps")
    values, low, high = (scale * known[end].to_numpy(float) for end in ends)
    bars = np.nan_to_num([values - low, high - values])
    style = {"linestyle": KINDS[kind][1], "marker": KINDS[kind][2], "markersize": 4, "linewidth": 1.6, "capsize": 3}
    if len(known):
        axes.errorbar(known["num_steps"].to_numpy(int), values, bars, color=color, label=label, **style)


def _steps_axis(axes: Any, steps: list[int]) -> None:
    axes.set(xlabel="number of steps", xscale="log")
    axes.set_xticks(steps, labels=map(str, steps))
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
