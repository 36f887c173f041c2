"""Train the network that estimates a property of a dataset's crystals."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from sunflow.evaluation.prediction_error import control_errors, prediction_errors
from sunflow.evaluation.property_features import NUM_FEATURES, features_of
from sunflow.evaluation.property_network import HIDDEN_DIM, NUM_MEMBERS, Labelled, PropertyNetwork, fit
from sunflow.stages.command import StageError, logger, run
from sunflow.stages.property_values import property_values
from sunflow.training.checkpoint import save_weights

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """A split of a dataset, of which the property of some crystals can be learned.

    Attributes:
        labelled: Those crystals.
        left_out: Reason → how many of the others.
    """

    labelled: Labelled
    left_out: dict[str, int]


def train_property(
    settings: dict, crystals: list[Path], measures: list[Path], output: Path, output_description: Path
) -> None:
    """Write weights, and a description with the errors on the test split beside those of a constant answer.

    `settings` holds `property`, a numeric column of the dataset, and `seed`. `crystals` and `measures` are those of the
    train, validation and test split. It runs in one thread, so that the same seed gives the same weights anywhere.

    Raises:
        StageError: The property, or a split's crystals that have it, are missing.
    """
    torch.set_num_threads(1)
    name = settings["property"]
    pairs = zip(SPLITS, crystals, measures, strict=True)
    splits = {split: read_split(path, measured, name) for split, path, measured in pairs}
    train, val, test = (splits[split].labelled for split in SPLITS)
    network, epochs = fit(train, val, settings["seed"])
    errors = {**test_errors(network, test), **control_errors(test.values, train.values)}
    told = (name, errors["mae"], errors["mae_of_median"], errors["count"])
    logger.info("%s: mean absolute error %.4g, of a constant answer %.4g, of %d test crystals", *told)
    sizes = {"num_features": NUM_FEATURES, "hidden_dim": HIDDEN_DIM, "num_members": NUM_MEMBERS}
    content = {
        "kind": "property_network",
        "property": name,
        "seed": settings["seed"],
        "model": sizes,
        "epochs": epochs,
        "test": errors,
        "crystals": {split: len(part.labelled.values) for split, part in splits.items()},
        "left_out": {split: part.left_out for split, part in splits.items()},
    }
    save_weights(output, network.state_dict(), output_description, content)


def read_split(crystals: Path, measures: Path, name: str) -> Split:
    """The crystals of a split that have features and the property.

    Raises:
        StageError: There are none.
    """
    values = property_values(crystals, name)
    features = features_of(pq.read_table(measures).to_pandas())
    lost = set(values) - set(features.crystal_ids) - set(features.failures)
    if lost:
        raise StageError(f"{measures} lacks crystals of {crystals}, such as {min(lost)}: make it again")
    chosen = [row for row, crystal_id in enumerate(features.crystal_ids) if values.get(crystal_id) is not None]
    if not chosen:
        raise StageError(f"no crystal of {crystals} has both fingerprints and a value of {name}: nothing to learn")
    known = np.array([values[features.crystal_ids[row]] for row in chosen], dtype=float)
    left_out = Counter(reason.partition(":")[0] for each, reason in features.failures.items() if each in values)
    left_out[f"no value of {name}"] = len(features.crystal_ids) - len(chosen)
    return Split(Labelled(features.values[chosen], known), {why: number for why, number in left_out.items() if number})


def test_errors(network: PropertyNetwork, test: Labelled) -> dict[str, Any]:
    """Errors of the test split."""
    return prediction_errors(test.values, network.predict(test.features)[0])


if __name__ == "__main__":
    run(train_property)
