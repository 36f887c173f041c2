"""Predict the structures of compositions that the user names."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sunflow.atomic import output_lock, write_text
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.crystals.structures import space_group, write_cif_zip
from sunflow.evaluation.matching import duplicates
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.generators.generator import module_of
from sunflow.generators.requests import Request
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.provenance import code_fingerprint, stamp
from sunflow.stages.command import StageError
from sunflow.stages.compositions import candidates_of
from sunflow.stages.relax_inputs import relax_inputs
from sunflow.stages.sample import Trained
from sunflow.training.checkpoint import WeightsError, read_description

logger = logging.getLogger(__name__)
PREDICTIONS, RANKING, STRUCTURES = "predictions.parquet", "ranking.csv", "structures.zip"


def predict(
    formulas: Sequence[str],
    formula_units: Sequence[int],
    num_candidates: int,
    weights: Path,
    settings: dict[str, Any],
    relaxation: dict[str, Any] | None,
    output: Path,
    threads: int,
) -> pd.DataFrame:
    """Write the candidates of every composition into a folder, ranked by energy if they are relaxed.

    Args:
        formulas: Such as LiFePO4.
        formula_units: Numbers of them in a cell, each of which is tried.
        num_candidates: Per formula and number of formula units.
        weights: Of a generator trained for structure prediction.
        settings: `num_steps`, `sampler`, `batch_size` and `seed` of the sampling.
        relaxation: Settings of `relax_inputs`; None leaves the candidates as they are predicted.
        output: Folder of `predictions.parquet`, `ranking.csv`, `structures.zip` and, relaxed, of what `relax_inputs`
            writes.
        threads: Processes of the relaxation.

    Returns:
        The ranking.

    Raises:
        StageError: A formula, the weights or the folder cannot be used.
    """
    wanted = [request for formula in formulas for request in candidates_of(formula, formula_units, num_candidates)]
    with output_lock(output / PREDICTIONS):
        predictions = _sampled(wanted, weights, settings, output)
        write_crystals(output / PREDICTIONS, predictions, settings)
    if relaxation is not None:
        predictions = relax_inputs(output / PREDICTIONS, output, relaxation, threads)
    ranking = ranked(predictions)
    write_text(output / RANKING, ranking.to_csv(index=False))
    by_id = {crystal.crystal_id: crystal for crystal in predictions}
    there = [by_id[name] for name in ranking["crystal_id"] if by_id[name].status != "failed"]
    write_cif_zip(output / STRUCTURES, there)
    return ranking


def _sampled(wanted: Sequence[Request], weights: Path, settings: dict[str, Any], output: Path) -> list[Crystal]:
    """The candidates, by the same code as the pipeline; a killed run continues from its journal."""
    try:
        model = read_description(weights)["model"]
    except WeightsError as error:
        raise StageError(str(error)) from error
    num_steps = settings["num_steps"] or model.get("num_steps")
    takes = "schedule" in model
    accuracies = accuracy_schedule(model["schedule"], num_steps, model["final_accuracy"]) if takes else None
    trained = Trained.load({**settings, "num_steps": num_steps}, "structure_prediction", weights, accuracies)
    largest = max(map(int, trained.description["statistics"]["num_atoms"]))
    for request in wanted:
        if request.num_atoms > largest and request.properties["candidate"] == 0:
            size = f"{request.num_atoms} atoms, more than the {largest} of the largest crystal that was learned from"
            logger.warning("%s has %s: expect little of it", request.properties["target_id"], size)
    code = code_fingerprint(__name__, module_of(trained.description["kind"]))
    made_from = stamp(
        settings, num_steps, [vars(request) for request in wanted], trained.description["weights_hash"], code
    )
    with Journal(output / f".{PREDICTIONS}.journal", made_from) as journal:
        sampling = trained.sampling(settings, journal)
        return list(progress(sampling.crystals(wanted), "predicting", "crystals", total=len(wanted)))


def ranked(predictions: Sequence[Crystal]) -> pd.DataFrame:
    """One row per prediction, those of a formula together and the lowest energy first.

    Columns: `formula, rank, crystal_id, num_atoms, status, reason, energy_per_atom` (eV/atom), `energy_above_best`
    (eV/atom above the best of the formula), `space_group, same_as` (the better prediction that it repeats).
    """
    ok = [crystal for crystal in predictions if crystal.status == "ok"]
    energies = [_energy(crystal) for crystal in ok]
    same = duplicates(ok, energies)
    rows = [
        {
            "formula": str(crystal.properties["target_id"]).rpartition("_x")[0],
            "rank": None,
            "crystal_id": crystal.crystal_id,
            "num_atoms": crystal.num_atoms,
            "status": crystal.status,
            "reason": crystal.reason,
            "energy_per_atom": _energy(crystal) if crystal.status == "ok" else None,
            "space_group": space_group(crystal) if crystal.status == "ok" else None,
            "same_as": same.get(crystal.crystal_id, ""),
        }
        for crystal in predictions
    ]
    table = pd.DataFrame(rows).astype({"energy_per_atom": float, "space_group": "Int64"})
    best = table.groupby("formula")["energy_per_atom"]
    table["rank"] = best.rank(method="first").astype("Int64")
    table.insert(7, "energy_above_best", table["energy_per_atom"] - best.transform("min"))
    return table.sort_values(["formula", "rank", "crystal_id"], kind="stable", ignore_index=True)


def summary(ranking: pd.DataFrame, num_best: int = 5) -> str:
    """The best different predictions of every formula, and why others failed; for people."""
    shown = ["formula", "rank", "crystal_id", "num_atoms", "energy_per_atom", "energy_above_best", "space_group"]
    good = ranking[ranking["status"].eq("ok") & ranking["same_as"].eq("")].groupby("formula").head(num_best)
    lines = [good[shown].to_string(index=False, na_rep="", float_format="{:.4f}".format)] if len(good) else []
    lines.append(f"{ranking['status'].eq('ok').sum()} of {len(ranking)} predictions ok")
    others = ranking[ranking["status"].ne("ok")]
    reasons = others["formula"] + ": " + others["reason"].str.split(":").str[0]
    return "\n".join([*lines, *(f"  {count} of {reason}" for reason, count in reasons.value_counts().items())])


def _energy(crystal: Crystal) -> float | None:
    energy = crystal.properties.get("energy_per_atom")
    return None if energy is None else float(energy)
