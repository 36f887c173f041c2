"""The report as one HTML page that carries everything it needs."""

import json
from collections.abc import Hashable
from typing import Any

import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from sunflow.report import counts, figures, text
from sunflow.report.best import best_crystals
from sunflow.report.conditional_table import conditional_chart, conditional_table
from sunflow.report.definitions import CITATIONS, COLUMNS, HULLS
from sunflow.report.metrics import cost_table, metric_tables
from sunflow.report.periodic_table import cells
from sunflow.report.prediction_table import prediction_table
from sunflow.report.property_figures import property_figures
from sunflow.report.rows import DEMONSTRATION_BELOW, Row
from sunflow.report.sunflower import crystals_per_seed, seeds
from sunflow.report.templates import environment
from sunflow.report.threshold_table import threshold_table
from sunflow.report.trajectory_view import Trajectory, trajectory_view

Measures = dict[Hashable, dict[str, Any]]
"""Name of a measure → its value, the ends of its interval and the number it is of."""


def render(
    dataset: str,
    rows: list[Row],
    stable: float,
    metastable: float,
    curves: dict[str, pd.DataFrame],
    trajectories: list[Trajectory],
    qualities: dict[str, Measures],
    validity: pd.DataFrame,
    coverage: pd.DataFrame,
    distributions: pd.DataFrame,
    match_rate: pd.DataFrame | None,
    properties: dict[str, pd.DataFrame],
    sun_curves: list[pd.DataFrame],
    summary: pd.DataFrame,
    provenance: dict[str, Any],
    conditional: pd.DataFrame | None = None,
) -> str:
    """The page's HTML.

    Args:
        dataset: Its name in the configuration.
        rows: The rows of the results table with their crystals.
        stable: Threshold in eV/atom.
        metastable: Threshold in eV/atom.
        curves: Training curve of every trained generator, by its name.
        trajectories: How one crystal of each generator came to be.
        qualities: How far the hull of each relaxer can be trusted, by its name.
        validity: validity.csv.
        coverage: coverage.csv.
        distributions: distributions.csv.
        match_rate: match_rate.csv; None where nothing was predicted.
        properties: Those of every generator's crystals as generated, and of the test split as `reference`.
        sun_curves: S.U.N. rates of each row against the threshold.
        summary: What was kept and dropped of the dataset, one line per split.
        provenance: The content of provenance.json.
        conditional: conditional.csv; None where no crystals were asked for a property.
    """
    generated = [row for row in rows if not row.is_reference]
    outcomes = {row.label: counts.outcomes(row.crystals) for row in rows}
    colors = {row.record["generator"]: row.color for row in reversed(rows)}
    pictures = property_figures(properties, colors)
    candidates = {row.label: best_crystals(row) for row in generated}
    return (
        environment()
        .get_template("page.html.jinja")
        .render(
            dataset=dataset,
            rows=rows,
            generated=generated,
            stable=stable,
            metastable=metastable,
            demonstration=any(row.num_requested < DEMONSTRATION_BELOW for row in generated),
            demonstration_below=DEMONSTRATION_BELOW,
            columns=COLUMNS,
            outcome_names=counts.OUTCOMES,
            outcomes=outcomes,
            seeds={label: seeds(counted) for label, counted in outcomes.items()},
            crystals_per_seed=crystals_per_seed,
            largest_rate=max([float(row.record["sun_rate_high"]) for row in rows if not _missing(row)], default=1.0),
            statuses=[counts.statuses(row.crystals) for row in rows],
            reasons=[counts.reasons(row.crystals) for row in rows],
            funnel=counts.funnel(rows, stable, metastable),
            candidates=candidates,
            views=[candidate["view"] for found in candidates.values() for candidate in found],
            trajectories=[(trajectory, verdict(rows, trajectory)) for trajectory in trajectories],
            players=[trajectory_view(trajectory.frames) if trajectory.frames else None for trajectory in trajectories],
            charts=pictures | _charts(rows, stable, metastable, curves) | _chart_of_conditional(conditional, colors),
            metrics=[
                *metric_tables(validity, coverage, distributions, f"the test split of {dataset}", colors),
                *([] if match_rate is None else [prediction_table(match_rate, colors)]),
                cost_table(rows, colors),
            ],
            thresholds=threshold_table(rows, sun_curves),
            conditional=None if conditional is None else conditional_table(conditional, colors),
            pictures=list(pictures),
            pictured={name: colors[name] for name in properties},
            curve_names=list(curves),
            qualities=qualities,
            opinions=any(row.record["second_opinion"] for row in rows),
            cells=cells(),
            element_shares=[counts.element_shares(row) for row in rows],
            space_groups=counts.space_groups(rows),
            hulls={kind: HULLS.get(kind) for kind in dict.fromkeys(row.record["hull"] for row in rows)},
            summary=summary.to_dict("records"),
            provenance=provenance,
            configuration=json.dumps(provenance.get("configuration", {}), indent=2, ensure_ascii=False),
            citations=CITATIONS,
            plotly_js=Markup(get_plotlyjs()),
        )
    )


def verdict(rows: list[Row], trajectory: Trajectory) -> dict[Hashable, Any]:
    """The line of the crystal in the table that the crystal was chosen by; empty where it is not in it."""
    for row in rows:
        if row.record["generator"] == trajectory.generator and row.record["task"] == "generation":
            lines = row.crystals[row.crystals["crystal_id"].eq(trajectory.sample_id)].astype(object)
            return next(iter(lines.to_dict("records")), {})
    return {}


def _charts(
    rows: list[Row], stable: float, metastable: float, curves: dict[str, pd.DataFrame]
) -> dict[str, figures.Figure]:
    drawn = {"hull": figures.hull_distribution(rows, stable, metastable)}
    drawn |= {f"curve-{i}": figures.training_curve(curve) for i, curve in enumerate(curves.values(), 1)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _chart_of_conditional(conditional: pd.DataFrame | None, colors: dict[str, str]) -> dict[str, figures.Figure]:
    drawn = None if conditional is None else conditional_chart(conditional, colors)
    return {} if drawn is None else {"conditional": drawn}


def _missing(row: Row) -> bool:
    return text.is_missing(row.record["sun_rate_high"])
