"""The distribution of energies above hull as a still picture."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from sunflow.report.distribution import Bins
from sunflow.report.rows import Row


def write_histogram(path: Path, rows: list[Row], stable: float, metastable: float) -> None:
    """Draw the shares of requested crystals per bin, reference beside generated, in the format of the path's suffix."""
    with rc_context({"svg.hashsalt": "sunflow", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots()
        bins = Bins.over([row.energies.to_numpy() for row in rows])
        for row in rows:
            shares = 100 * bins.shares(row.energies.to_numpy(), row.num_requested)
            axes.stairs(shares, bins.edges, color=row.color, fill=True, alpha=0.22)
            axes.stairs(shares, bins.edges, color=row.color, linewidth=1.6, label=row.label)
        for value, style, name in ((stable, "-", "stable"), (metastable, ":", "metastable")):
            axes.axvline(value, color="#808080", linestyle=style, linewidth=1.0, label=f"{name} ≤ {value:g} eV/atom")
        axes.set(xlabel="energy above hull (eV/atom)", ylabel="share of requested crystals (%)")
        axes.set_xlim(float(bins.edges[0]), float(bins.edges[-1]))
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
