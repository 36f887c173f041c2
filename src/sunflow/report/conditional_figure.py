"""Properties of crystals that were asked for them, as a still picture (SymmBFN, figure 3)."""

from collections.abc import Iterator, Sequence
from itertools import cycle, groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from sunflow.report.figures import PALETTE
from sunflow.report.rows import REFERENCE, REFERENCE_COLOR

FEWEST_BINS, MOST_BINS = 15, 60
TAIL = 0.005
"""Share of a set's values that may lie outside of the picture on either side."""
Set = tuple[dict[str, Any], np.ndarray]
"""What names some crystals, and their values."""


def write_conditional_figure(path: Path, sets: Sequence[Set], train: dict[str, np.ndarray]) -> None:
    """Draw how values are distributed over those of the train split, a panel per property, relaxer and estimate.

    Targets are marked by broken lines. A panel is drawn of generated crystals only; its estimates of the reference are
    a thin line.

    Args:
        path: Of the picture; its suffix is the format.
        sets: `generator`, `relaxer`, `property`, `target` and `estimate`, and the values of metastable crystals.
        train: Values of the train split by property.
    """
    panels = list(_panels(sets))
    with rc_context({"svg.hashsalt": "sunflow", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(7, 3.4 * max(1, len(panels))), layout="constrained")
        for axes, (names, own) in zip(figure.subplots(max(1, len(panels)), squeeze=False).flat, panels, strict=False):
            _draw(axes, names, own, train[names["property"]])
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panels(sets: Sequence[Set]) -> Iterator[tuple[dict[str, Any], list[Set]]]:
    def key(own: Set) -> tuple[str, str, str]:
        names = own[0]
        return str(names["property"]), str(names["relaxer"]), str(names["estimate"])

    for _, group in groupby(sorted(sets, key=key), key):
        members = list(group)
        if any(names["generator"] != REFERENCE for names, _ in members):
            yield members[0][0], members


def _draw(axes: Any, names: dict[str, Any], sets: list[Set], train: np.ndarray) -> None:
    largest = max(len(values) for own, values in sets if own["generator"] != REFERENCE)
    edges = _edges([train, *(values for _, values in sets)], [own["target"] for own, _ in sets], largest)
    axes.stairs(_density(train, edges), edges, color="#b8bec8", fill=True, alpha=0.6, label=f"train ({len(train)})")
    looks = ((color, style) for style in cycle(("-", ":")) for color in PALETTE)
    for own, values in sets:
        is_reference = own["generator"] == REFERENCE
        color, style = (REFERENCE_COLOR, "-") if is_reference else next(looks)
        asked = "" if own["target"] is None else f", target {own['target']:g}"
        label = f"{own['generator']}{asked} ({len(values)})"
        width = 0.9 if is_reference else 1.7
        axes.stairs(_density(values, edges), edges, color=color, linestyle=style, linewidth=width, label=label)
        if own["target"] is not None:
            axes.axvline(own["target"], color=color, linestyle="--", linewidth=1.0)
    axes.set(xlabel=f"{names['property'].replace('_', ' ')}, by {names['estimate']}", ylabel="density")
    axes.set_title(f"metastable crystals, relaxed by {names['relaxer']}", fontsize=10)
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _edges(sets: Sequence[np.ndarray], targets: Sequence[float | None], largest: int) -> np.ndarray:
    """Bins over nearly all values and every target, the finer the more values the largest generated set has."""
    ends = [np.quantile(values, [TAIL, 1 - TAIL]) for values in sets if len(values)]
    asked = [np.array([target, target]) for target in targets if target is not None]
    low, high = min(end[0] for end in [*ends, *asked]), max(end[1] for end in [*ends, *asked])
    margin = 0.05 * (high - low) or 1.0
    num_bins = min(max(round(2 * largest**0.5), FEWEST_BINS), MOST_BINS)
    return np.linspace(low - margin, high + margin, num_bins + 1)


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of all values per unit, those outside the picture among them."""
    counts = np.histogram(values, edges)[0]
    return counts / max(1, len(values)) / np.diff(edges)
