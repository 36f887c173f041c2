"""Estimate a property of crystals by the network that was trained for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sunflow.atomic import write_text
from sunflow.evaluation.property_features import features_of
from sunflow.evaluation.property_network import PropertyNetwork
from sunflow.provenance import file_hash
from sunflow.stages.command import StageError, logger, run
from sunflow.training.checkpoint import WeightsError, read_json


def estimate_property(measures: Path, weights: Path, description: Path, output: Path) -> None:
    """Write one row per measured crystal: `crystal_id`, the property, its `spread`, and the `reason` where it has none.

    The spread is the standard deviation of the network's members, in the property's unit: large where crystals are
    unlike all that the network has learned from, but no bound of the error.
    """
    torch.set_num_threads(1)
    network, name = load_network(weights, description)
    features = features_of(pq.read_table(measures).to_pandas())
    values, spreads = network.predict(features.values)
    finite = np.isfinite(values) & np.isfinite(spreads)
    rows = [
        {"crystal_id": crystal_id, name: value, "spread": spread, "reason": ""}
        if good
        else {"crystal_id": crystal_id, "reason": "the network's answer is not a finite number"}
        for crystal_id, value, spread, good in zip(features.crystal_ids, values, spreads, finite, strict=True)
    ]
    rows += [{"crystal_id": crystal_id, "reason": reason} for crystal_id, reason in features.failures.items()]
    logger.info("%s of %d of %d crystals", name, finite.sum(), len(rows))
    table = pd.DataFrame(rows, columns=["crystal_id", name, "spread", "reason"])
    write_text(output, table.to_csv(index=False))


def load_network(weights: Path, description: Path) -> tuple[PropertyNetwork, str]:
    """The network that `train_property` wrote, and the property that it estimates.

    Raises:
        StageError: The files are damaged or something else.
    """
    try:
        content: dict[str, Any] = read_json(description)
        if content.get("kind") != "property_network" or content.get("weights_hash") != file_hash(weights):
            raise WeightsError(f"{description} does not describe the property network {weights}")
        network = PropertyNetwork(**content["model"])
        network.load_state_dict(load_file(weights))
    except (WeightsError, OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        text = " ".join(str(error).split())
        raise StageError(f"{text}: make both again (snakemake --forcerun train_property)") from error
    return network.eval(), str(content["property"])


if __name__ == "__main__":
    run(estimate_property)
