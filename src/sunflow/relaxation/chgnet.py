"""CHGNet 0.3.0: its weights come with the `chgnet` package, which itself is never imported (that takes seconds)."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sunflow.provenance import file_hash
from sunflow.registry import MP2020
from sunflow.relaxation.known_energies import refuse_wrong_energies

if TYPE_CHECKING:
    from sunflow.relaxation.chgnet_evaluator import CHGNetEvaluator

VERSION = "0.3.0"


class CHGNet:
    """The potential; its weights are read when an evaluator is asked for."""

    name = f"chgnet-{VERSION}"
    atomic_numbers = frozenset(range(1, 95))
    energy_scale = MP2020

    def __init__(self, weights_file: Path) -> None:
        self.weights_file = weights_file
        self.weights_hash = file_hash(weights_file)

    def evaluator(self, device: torch.device) -> "CHGNetEvaluator":
        """The network on a device, after it has given the energies that are known of these weights.

        Raises:
            ValueError: It gives others.
        """
        from sunflow.relaxation.chgnet_evaluator import CHGNetEvaluator

        evaluator = CHGNetEvaluator(self.weights_file, device)
        refuse_wrong_energies(self.name, evaluator)
        return evaluator


def load() -> CHGNet:
    """The weights that the installed `chgnet` package carries.

    Raises:
        FileNotFoundError: The package is not installed, or carries other weights.
    """
    package = find_spec("chgnet")
    folder = Path(package.origin).parent / "pretrained" / VERSION if package and package.origin else None
    found = sorted(folder.glob("*.pth.tar")) if folder else []
    if len(found) != 1:
        place = folder or "this environment"
        raise FileNotFoundError(f"no weights of CHGNet {VERSION} in {place}: install chgnet==0.4.2")
    return CHGNet(found[0])
