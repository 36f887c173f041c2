"""CHGNet 0.3.0: its weights come with the `chgnet` package, which itself is never imported (that takes seconds)."""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sunflow.provenance import file_hash

if TYPE_CHECKING:
    from sunflow.relaxation.chgnet_calculator import CHGNetCalculator, CHGNetModel

VERSION = "0.3.0"


class CHGNet:
    """The potential; its weights are read when the first calculator is asked for."""

    name = f"chgnet-{VERSION}"
    atomic_numbers = frozenset(range(1, 95))

    def __init__(self, weights_file: Path) -> None:
        self.weights_file = weights_file
        self.weights_hash = file_hash(weights_file)

    @cached_property
    def model(self) -> "CHGNetModel":
        """The network, shared by all calculators."""
        from sunflow.relaxation.chgnet_calculator import CHGNetModel

        return CHGNetModel(self.weights_file)

    def calculator(self) -> "CHGNetCalculator":
        """A new ASE calculator, on a GPU where there is one."""
        from sunflow.relaxation.chgnet_calculator import CHGNetCalculator

        return CHGNetCalculator(self.model)


def load() -> CHGNet:
    """The weights that the installed `chgnet` package carries.

    Raises:
        FileNotFoundError: The package is not installed, or carries other weights.
    """
    package = find_spec("chgnet")
    folder = Path(package.origin).parent / "pretrained" / VERSION if package and package.origin else None
    found = sorted(folder.glob("*.pth.tar")) if folder else []
    if len(found) != 1:
        raise FileNotFoundError(f"no weights of CHGNet {VERSION} in {folder}: install chgnet==0.4.2")
    return CHGNet(found[0])
