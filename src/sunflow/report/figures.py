"""The page's charts, as plotly's plain values: data and layout, with colours of paper and ink left to the page."""

from html import escape
from itertools import pairwise
from typing import Any

import pandas as pd

from sunflow.report.distribution import Bins
from sunflow.report.rows import Row
from sunflow.report.text import words

Figure = dict[str, Any]

PALETTE = ("#e0a000", "#2a9d8f", "#c8553d", "#7a6fd0", "#5c9636", "#c2528b")
_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}


def hull_distribution(rows: list[Row], stable: float, metastable: float) -> Figure | None:
    """Histogram above, cumulative share below, on one axis of energy; None where no crystal has an energy.

    Both are shares of the requested crystals, so the lower curve at a threshold is the rate of the table.
    """
    shown = [row for row in rows if len(row.energies)]
    if not shown:
        return None
    bins = Bins.over([row.energies.to_numpy() for row in shown])
    low, high = float(bins.edges[0]), float(bins.edges[-1])
    traces = [trace for row in shown for trace in (_histogram(row, bins), _cumulative(row, low, high))]
    layout = {
        "height": 520,
        "margin": {"l": 62, "r": 16, "t": 64, "b": 48},
        "legend": {**_LEGEND, "y": 1.06},
        "hovermode": "closest",
        "xaxis": {"range": [low, high], "title": {"text": "energy above hull (eV/atom)"}, "anchor": "y2"},
        "yaxis": {"domain": [0.54, 1], "title": {"text": "crystals per bin (%)"}, "rangemode": "tozero"},
        "yaxis2": {"domain": [0, 0.46], "title": {"text": "cumulative (%)"}, "range": [0, 102]},
        "shapes": [_threshold(value, dash) for value, dash in ((stable, "solid"), (metastable, "dot"))],
        "annotations": [
            _threshold_name(stable, f"stable ≤ {stable:g}", "right"),
            _threshold_name(metastable, f"metastable ≤ {metastable:g}", "left"),
        ],
    }
    return {"data": traces, "layout": layout}


def training_curve(curve: pd.DataFrame) -> Figure | None:
    """Losses over epochs; columns that end in `loss` are totals, other losses are hidden behind the legend at first."""
    losses = [column for column in curve.columns if "loss" in column and curve[column].notna().any()]
    if not losses:
        return None
    x_name = "epoch" if "epoch" in curve.columns else curve.columns[0]
    traces = [_loss(curve, x_name, column, PALETTE[i % len(PALETTE)]) for i, column in enumerate(losses)]
    smallest = min(curve[column].min() for column in losses)
    layout = {
        "height": 340,
        "margin": {"l": 62, "r": 16, "t": 44, "b": 48},
        "legend": _LEGEND,
        "hovermode": "x unified",
        "xaxis": {"title": {"text": words(x_name)}},
        "yaxis": {"title": {"text": "loss"}, "type": "log" if smallest > 0 else "linear"},
    }
    return {"data": traces, "layout": layout}


def _histogram(row: Row, bins: Bins) -> Figure:
    shares = 100 * bins.shares(row.energies.to_numpy(), row.num_requested)
    return {
        "type": "scatter",
        "name": escape(row.label),
        "legendgroup": escape(row.label),
        "x": bins.edges.tolist(),
        "y": [*shares.round(4).tolist(), 0.0],
        "mode": "lines",
        "line": {"shape": "hv", "color": row.color, "width": 2},
        "fill": "tozeroy",
        "fillcolor": f"{row.color}38",
        "text": [f"above {low:g}, up to {high:g} eV/atom" for low, high in pairwise(bins.edges.tolist())],
        "hovertemplate": "%{text}: %{y:.1f} %",
    }


def _cumulative(row: Row, low: float, high: float) -> Figure:
    energies = row.energies.sort_values()
    rising = [100 * (i + 1) / row.num_requested for i in range(len(energies))]
    return {
        "type": "scatter",
        "name": escape(row.label),
        "legendgroup": escape(row.label),
        "showlegend": False,
        "yaxis": "y2",
        "x": [min(low, float(energies.iloc[0])), *energies.tolist(), max(high, float(energies.iloc[-1]))],
        "y": [0.0, *rising, rising[-1]],
        "mode": "lines",
        "line": {"shape": "hv", "color": row.color, "width": 2},
        "hovertemplate": "%{y:.1f} % at or below %{x:.3f} eV/atom",
    }


def _threshold(value: float, dash: str) -> Figure:
    line = {"width": 1.2, "dash": dash, "color": "#808080"}
    return {"type": "line", "x0": value, "x1": value, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}


def _threshold_name(value: float, text: str, side: str) -> Figure:
    return {
        "x": value,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": side,
        "text": text,
        "showarrow": False,
        "font": {"size": 11},
    }


def _loss(curve: pd.DataFrame, x_name: str, column: str, color: str) -> Figure:
    known = curve[[x_name, column]].dropna()
    return {
        "type": "scatter",
        "name": escape(words(column)),
        "x": known[x_name].tolist(),
        "y": known[column].tolist(),
        "mode": "lines",
        "line": {"color": color, "width": 2},
        "visible": True if column.endswith("loss") else "legendonly",
    }
