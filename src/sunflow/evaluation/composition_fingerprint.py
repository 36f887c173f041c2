"""What a crystal is made of, as 132 numbers: Magpie's features, standardised as in the published coverage."""

from functools import cache

import numpy as np
from matminer.featurizers.composition.composite import ElementProperty

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import composition
from sunflow.evaluation.tables import read_table

SCALE = "magpie_scale.csv"


def composition_fingerprint(crystal: Crystal) -> np.ndarray:
    """Magpie's features (Ward et al., 2016) less their means, over their standard deviations; unknown ones are 0.

    Means and standard deviations are CDVAE's, whatever the dataset.
    """
    mean, standard_deviation = _scale()
    features = np.array(_featurizer().featurize(composition(crystal)), dtype=float)
    return np.nan_to_num((features - mean) / standard_deviation)


@cache
def _featurizer() -> ElementProperty:
    return ElementProperty.from_preset("magpie", impute_nan=False)


@cache
def _scale() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every feature; the file names them in Magpie's order."""
    rows = read_table(SCALE)
    if [row["feature"] for row in rows] != _featurizer().feature_labels():
        raise RuntimeError(f"{SCALE} and the installed matminer name other features: install the pinned matminer")
    mean, standard_deviation = (np.array([float(row[name]) for row in rows]) for name in ("mean", "standard_deviation"))
    return mean, standard_deviation
