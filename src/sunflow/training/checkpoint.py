"""Weights as safetensors, with a JSON description beside them that says how to rebuild their generator."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sunflow.atomic import atomic_path, write_json
from sunflow.generators.generator import Generator, build
from sunflow.provenance import file_hash

DIGITS_OF_HASH = 12


class WeightsError(Exception):
    """Weights that cannot be used, and why."""


def save_weights(weights: Path, tensors: dict[str, Tensor], description: Path, content: dict[str, Any]) -> None:
    """Write the tensors and their description, which gains the hash of the weights."""
    with atomic_path(weights) as temporary:
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, temporary)
    write_json(description, {**content, "weights_hash": file_hash(weights)})


def archive_weights(weights: Path, description: Path) -> Path:
    """Copy weights and description to `archive/<hash>` beside them, where no retraining overwrites them."""
    name = read_json(description)["weights_hash"][:DIGITS_OF_HASH]
    kept = weights.parent / "archive" / f"{name}.safetensors"
    for source, copy in ((weights, kept), (description, kept.with_suffix(".json"))):
        with atomic_path(copy) as temporary:
            shutil.copyfile(source, temporary)
    return kept


def read_description(weights: Path) -> dict[str, Any]:
    """The description beside the weights, once it is sure that they belong together.

    Raises:
        WeightsError: A file is missing or unreadable, or the weights are not those that are described.
    """
    description = weights.with_suffix(".json")
    for path in (weights, description):
        if not path.is_file():
            raise WeightsError(f"{path} is missing: {weights.name} and {description.name} belong together")
    content = read_json(description)
    missing = [key for key in ("kind", "task", "model", "statistics", "weights_hash") if key not in content]
    if missing:
        raise WeightsError(f"{description} has no {missing[0]!r}: it does not describe weights of Sunflow")
    if content["weights_hash"] != file_hash(weights):
        raise WeightsError(
            f"{weights} is not the file that {description.name} describes (its hash differs): it is damaged, "
            "cut short or comes from another training; copy both files again"
        )
    return content


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file.

    Raises:
        WeightsError: It is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON file: {error}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is no description of weights: it holds no JSON object")
    return content


def load_generator(weights: Path, accuracy_schedule: Tensor | None, **model: Any) -> Generator:
    """The trained generator, in evaluation mode on the CPU; `model` replaces hyper-parameters such as `num_steps`.

    Raises:
        WeightsError: The files are missing, damaged, or do not fit the generator of this code.
    """
    content = read_description(weights)
    hyper_parameters = {**content["model"], **model}
    generator = build(content["kind"], content["task"], hyper_parameters, content["statistics"], accuracy_schedule)
    try:
        generator.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        detail = " ".join(str(error).split())
        raise WeightsError(
            f"{weights} does not fit a {content['kind']} generator with the model of its description: {detail}"
        ) from None
    return generator.eval()
