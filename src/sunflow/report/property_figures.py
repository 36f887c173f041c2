"""How properties of crystals are distributed: cumulative curves, whose areas are the distances of the table."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from sunflow.report.figures import Figure
from sunflow.report.metric_definitions import PROPERTIES
from sunflow.report.rows import REFERENCE

SHOWN = ("density", "volume_per_atom", "num_elements")
"""Properties with a picture: what a Wasserstein distance compares, and every crystal has."""
MOST_POINTS = 200
_TAIL = 0.01


def property_figures(measures: dict[str, pd.DataFrame], colors: dict[str, str]) -> dict[str, Figure]:
    """One figure per property that any crystal has.

    Args:
        measures: Name of a set of crystals → one row per crystal with columns of properties, empty where unknown.
        colors: Of the sets.
    """
    known = {
        name: {label: pd.to_numeric(table[name]).dropna().to_numpy(float) for label, table in measures.items()}
        for name in SHOWN
    }
    return {
        name: _figure(PROPERTIES[name], sets, colors) for name, sets in known.items() if any(map(len, sets.values()))
    }


def cumulative(
    values: Float[np.ndarray, " crystals"], most: int = MOST_POINTS
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Some of the values in rising order, and the share of all values at or below each."""
    ordered = np.sort(values)
    last = np.flatnonzero(np.diff(ordered, append=np.inf))
    chosen = last[np.unique(np.linspace(0, len(last) - 1, most).round().astype(int))]
    return ordered[chosen], (chosen + 1) / len(ordered)


def _figure(title: str, sets: dict[str, np.ndarray], colors: dict[str, str]) -> Figure:
    filled = {label: values for label, values in sets.items() if len(values)}
    low, high = _range(filled)
    curves = [_curve(label, values, colors[label], low, high) for label, values in filled.items()]
    layout = {
        "height": 310,
        "margin": {"l": 50, "r": 10, "t": 30, "b": 44},
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": {"range": [low, high], "title": {"text": title}},
        "yaxis": {"range": [0, 102], "title": {"text": "crystals at or below (%)"}},
    }
    return {"data": curves, "layout": layout}


def _range(sets: dict[str, np.ndarray]) -> tuple[float, float]:
    """What is shown of the axis: nearly all of every set, but no more beyond the reference than it is wide itself."""
    ends = {label: np.quantile(values, [_TAIL, 1 - _TAIL]) for label, values in sets.items()}
    low, high = min(first for first, _ in ends.values()), max(last for _, last in ends.values())
    if REFERENCE in ends:
        first, last = ends[REFERENCE]
        width = max(last - first, 1.0)
        low, high = max(low, first - width), min(high, last + width)
    margin = 0.06 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _curve(label: str, values: np.ndarray, color: str, low: float, high: float) -> dict[str, Any]:
    x, shares = cumulative(values)
    return {
        "type": "scatter",
        "name": escape(f"{label}: {len(values)} crystals"),
        "x": [min(low, x[0]), *x.tolist(), max(high, x[-1])],
        "y": [0.0, *(100 * shares).round(3).tolist(), 100.0],
        "mode": "lines",
        "line": {"shape": "hv", "color": color, "width": 2},
        "hovertemplate": "%{y:.1f} % at or below %{x:.3~g}",
    }
