"""How far a hull can be trusted: what it says of known compositions and of real crystals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.lots import lot
from sunflow.evaluation.hull import Hull, parsed, rounded
from sunflow.evaluation.rates import Z_95, wilson_interval


@dataclass(frozen=True)
class Measure:
    """One number about a hull.

    Attributes:
        measure: Its name.
        value: eV/atom, a share or a count; None where there is nothing to measure.
        low: Lower end of the 95 % interval, where there is one.
        high: Upper end.
        num: Out of how many compositions or crystals.
        definition: What it says, in a sentence.
    """

    measure: str
    value: float | None
    low: float | None
    high: float | None
    num: int
    definition: str


def left_out(hull: Hull, num_compositions: int, seed: int, stable: float) -> list[Measure]:
    """How far the hull flatters a composition that it does not know: each of some is left out and graded by the rest.

    Args:
        hull: Whose own compositions are left out, one at a time and with all their entries.
        num_compositions: How many; all are taken where there are fewer.
        seed: Which.
        stable: Highest energy above hull of a stable entry, eV/atom.
    """
    known = drawn_formulas(hull, num_compositions, seed)
    lowest = _own_energies(hull)
    errors, apparent, true = [], [], []
    for formula in known:
        composition = parsed(formula)
        fractions = composition.fractional_composition.get_el_amt_dict()
        full = hull.energy(composition)
        remaining = hull.system(composition).without(formula).mixture(fractions).energy
        errors.append(remaining - full)
        apparent.append(rounded(lowest[formula] - remaining) <= stable)
        true.append(rounded(lowest[formula] - full) <= stable)
    hence = "of compositions left out, one at a time, of the hull"
    return [
        _mean("left_out_mean_error", errors, f"Mean energy (eV/atom) by which the rest lies too high, {hence}"),
        _median("left_out_median_error", errors, f"Median energy (eV/atom) by which the rest lies too high, {hence}"),
        _share("left_out_apparently_stable", apparent, f"Share that the rest calls stable, {hence}"),
        _share("left_out_truly_stable", true, "Share of the same compositions that the whole hull calls stable"),
    ]


def drawn_formulas(hull: Hull, num_compositions: int, seed: int) -> list[str]:
    """Formulas of more than one element, the first by a hash of seed and formula, so that a larger draw holds them."""
    compositions = {formula: parsed(formula) for formula in hull.entries["formula"].unique()}
    eligible = [
        formula
        for formula, composition in compositions.items()
        if len(composition) > 1 and hull.coverage(composition) != "not_covered"
    ]
    return sorted(sorted(eligible, key=lambda formula: lot(seed, formula))[:num_compositions])


def control(crystals: Sequence[Crystal], energies: pd.DataFrame, stable: float, metastable: float) -> list[Measure]:
    """Real crystals after relaxation, beside what is published of them.

    Args:
        crystals: As drawn, with the property `energy_above_hull` (eV/atom) where it is published.
        energies: The table that the stage `energy_above_hull` wrote of them.
        stable: Highest energy above hull of a stable crystal, eV/atom.
        metastable: The same of a metastable one.

    Raises:
        ValueError: Crystals and energies are not of the same crystals.
    """
    if sorted(energies["crystal_id"]) != sorted(crystal.crystal_id for crystal in crystals):
        raise ValueError("crystals and energies above hull do not hold the same crystals")
    published = {crystal.crystal_id: _number(crystal.properties.get("energy_above_hull")) for crystal in crystals}
    verdicts = energies[energies["status"].eq("ok") & energies["energy_above_hull"].notna()]
    measured = dict(zip(verdicts["crystal_id"], verdicts["energy_above_hull"].astype(float), strict=True))
    both = [name for name in published if published[name] is not None and name in measured]
    ours, theirs = [measured[name] for name in both], [rounded(published[name] or 0.0) for name in both]
    errors = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    without = [published[name] is None for name in published]
    undecided = [published[name] is not None and name not in measured for name in published]
    minus = "measured minus published energy above hull (eV/atom) of test crystals"
    return [
        _mean("control_mean_error", errors, f"Mean {minus}"),
        _mean("control_mean_absolute_error", [abs(error) for error in errors], f"Mean absolute {minus}"),
        _share("control_stable", [energy <= stable for energy in ours], "Share of them measured as stable"),
        _share("control_stable_published", [energy <= stable for energy in theirs], "Share published as stable"),
        _share("control_metastable", [energy <= metastable for energy in ours], "Share measured as metastable"),
        _share(
            "control_metastable_published", [energy <= metastable for energy in theirs], "Share published as metastable"
        ),
        _count("control_unpublished", without, "Test crystals without a published energy above hull, not compared"),
        _count(
            "control_undecided",
            undecided,
            "Test crystals with a published value that did not converge or that the hull does not cover, not compared",
        ),
    ]


def _own_energies(hull: Hull) -> dict[str, float]:
    """Lowest formation energy of the entries themselves, by formula; not that of the hull below them."""
    own = hull.entries["formation_energy_per_atom"] + hull.entries["published_energy_above_hull"].fillna(0.0)
    return {str(formula): float(energy) for formula, energy in own.groupby(hull.entries["formula"]).min().items()}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _mean(name: str, values: list[float], definition: str) -> Measure:
    if not values:
        return Measure(name, None, None, None, 0, definition)
    mean = float(np.mean(values))
    if len(values) == 1:
        return Measure(name, mean, None, None, 1, definition)
    half = Z_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Measure(name, mean, mean - half, mean + half, len(values), definition)


def _median(name: str, values: list[float], definition: str) -> Measure:
    return Measure(name, float(np.median(values)) if values else None, None, None, len(values), definition)


def _share(name: str, values: list[bool], definition: str) -> Measure:
    if not values:
        return Measure(name, None, None, None, 0, definition)
    return Measure(name, sum(values) / len(values), *wilson_interval(sum(values), len(values)), len(values), definition)


def _count(name: str, values: list[bool], definition: str) -> Measure:
    return Measure(name, float(sum(values)), None, None, len(values), definition)
