"""How energies above the hull are distributed: bins in which a threshold's own value counts as below it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_WIDTHS = (0.01, 0.02, 0.025, 0.05, 0.1, 0.2)
_MOST_BINS = 60
_LOWEST, _HIGHEST = -0.6, 3.0
_LEAST_SPAN = (-0.1, 0.4)


@dataclass(frozen=True)
class Bins:
    """Bins of one width, each open on the left and closed on the right; edges are multiples of the width.

    Attributes:
        width: In eV/atom.
        first: The left edge, in widths.
        number: How many bins there are.
    """

    width: float
    first: int
    number: int

    @classmethod
    def over(cls, energies: Sequence[np.ndarray]) -> "Bins":
        """Bins over the bulk of several arrays of energies (a long tail is left outside)."""
        every = np.concatenate([*energies, np.array(_LEAST_SPAN)])
        low = max(float(every.min()), _LOWEST)
        high = min(max([_LEAST_SPAN[1], *(float(np.quantile(e, 0.95)) for e in energies if len(e))]), _HIGHEST)
        width = next((width for width in _WIDTHS if (high - low) / width <= _MOST_BINS), _WIDTHS[-1])
        first, last = int(np.floor(low / width)) - 1, int(np.ceil(high / width))
        return cls(width, first, last - first)

    @property
    def edges(self) -> Float[np.ndarray, " edges"]:
        """All edges in eV/atom, from left to right."""
        return np.round(self.width * np.arange(self.first, self.first + self.number + 1), 6)

    def shares(self, energies: Float[np.ndarray, " crystals"], num_requested: int) -> Float[np.ndarray, " bins"]:
        """The share of the requested crystals in each bin."""
        indices = np.ceil(np.round(energies / self.width, 6)).astype(int) - 1 - self.first
        inside = indices[(indices >= 0) & (indices < self.number)]
        return np.bincount(inside, minlength=self.number) / max(num_requested, 1)
