"""How far the distribution of a property among generated crystals is from that among real ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from sunflow.evaluation.bootstrap import bootstrap_interval

NUM_DRAWN = 1000
"""Valid crystals of the published protocol (CDVAE)."""
NUM_DRAWS = 200
NUM_SPACE_GROUPS = 230


def space_group_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """Jensen–Shannon distance of the frequencies of the 230 space groups, with natural logarithms: at most √ln 2."""
    counts = [np.bincount(groups.astype(int), minlength=NUM_SPACE_GROUPS + 1)[1:] for groups in (generated, reference)]
    return float(jensenshannon(*counts))


@dataclass(frozen=True)
class Property:
    """A property of crystals and how its distributions are compared."""

    distance: Callable[[np.ndarray, np.ndarray], float]
    definition: str


PROPERTIES = {
    "density": Property(wasserstein_distance, "Wasserstein distance of densities, g/cm³"),
    "num_elements": Property(wasserstein_distance, "Wasserstein distance of numbers of elements"),
    "volume_per_atom": Property(wasserstein_distance, "Wasserstein distance of volumes, Å³/atom"),
    "energy_per_atom": Property(
        wasserstein_distance, "Wasserstein distance of the relaxer's energies before relaxation, eV/atom"
    ),
    "space_group": Property(
        space_group_distance, "Jensen–Shannon distance (natural logarithm) of space groups at 0.1 Å"
    ),
}


def distribution_distances(generated: pd.DataFrame, reference: pd.DataFrame, seed: int) -> Iterator[dict[str, Any]]:
    """Two rows per property: by the published protocol, and of all crystals.

    The published protocol draws 1 000 valid crystals and compares them with the whole reference; its row has the mean
    of 200 draws, and the range of 95 % of them: the noise of the seed. The other row compares all crystals that have
    the property, valid or not, and its interval is the bootstrap's.

    Args:
        generated: One row per crystal with `valid` and columns of properties, empty where unknown; a property of which
            there is no column, or no value on either side, has no row.
        reference: The same of the crystals to compare with.
        seed: Of the draws.
    """
    for name, what in PROPERTIES.items():
        if name not in generated or name not in reference:
            continue
        everything, known = generated[name].dropna().to_numpy(float), reference[name].dropna().to_numpy(float)
        valid = generated.loc[generated["valid"], name].dropna().to_numpy(float)
        random = np.random.default_rng(seed)
        for chosen, row in ((valid, _drawn), (everything, _whole)):
            if len(chosen) and len(known):
                yield {"property": name, **row(what, chosen, known, random), "num_reference": len(known)}


def _drawn(what: Property, valid: np.ndarray, known: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    """By the published protocol; all valid crystals, and no noise of the seed, where there are no more than 1 000."""
    if len(valid) <= NUM_DRAWN:
        interval = bootstrap_interval(what.distance, [valid, known], random)
        protocol = f"all valid crystals, which are no more than {NUM_DRAWN}; bootstrap"
        return _row(what, float(what.distance(valid, known)), interval, protocol, len(valid))
    drawn = [what.distance(random.choice(valid, NUM_DRAWN, replace=False), known) for _ in range(NUM_DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    protocol = f"{NUM_DRAWN} valid crystals drawn at random; mean and 95 % range of {NUM_DRAWS} draws"
    return _row(what, float(np.mean(drawn)), (low, high), protocol, NUM_DRAWN)


def _whole(what: Property, everything: np.ndarray, known: np.ndarray, random: np.random.Generator) -> dict[str, Any]:
    interval = bootstrap_interval(what.distance, [everything, known], random)
    return _row(what, float(what.distance(everything, known)), interval, "all crystals; bootstrap", len(everything))


def _row(
    what: Property, distance: float, interval: tuple[float, float], protocol: str, num_generated: int
) -> dict[str, Any]:
    return {
        "distance": distance,
        "low": float(interval[0]),
        "high": float(interval[1]),
        "definition": what.definition,
        "protocol": protocol,
        "num_generated": num_generated,
    }
