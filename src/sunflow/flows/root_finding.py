"""Roots of increasing functions."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

NUM_BISECTIONS = 64
NUM_CHORDS = 50


def bisect(
    function: Callable[[Tensor], Tensor], low: Float[Tensor, " roots"], high: Float[Tensor, " roots"]
) -> Float[Tensor, " roots"]:
    """The roots between `low` and `high` of as many functions, all at once."""
    for _ in range(NUM_BISECTIONS):
        middle = (low + high) / 2
        below = function(middle) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def positive_root(function: Callable[[Tensor], Tensor], start: float, tolerance: float = 1e-9) -> Float[Tensor, ""]:
    """The root of one function that takes long, found by chords over ln x (Illinois algorithm).

    Args:
        function: Increases with a positive number, through 0.
        start: Where to look first.
        tolerance: How far from 0 the function may be at the root.
    """
    last = torch.tensor(start, dtype=torch.float64).log()
    last_value = function(last.exp()).item()
    place, value = _other_side(function, last, last_value)
    for _ in range(NUM_CHORDS):
        if abs(value) < tolerance:
            break
        chord = place - value * (place - last) / (value - last_value)
        chord_value = function(chord.exp()).item()
        last, last_value = (place, value) if chord_value * value < 0 else (last, last_value / 2)
        place, value = chord, chord_value
    return place.exp()


def _other_side(
    function: Callable[[Tensor], Tensor], place: Float[Tensor, ""], value: float
) -> tuple[Float[Tensor, ""], float]:
    """Where, in quarter steps of ln x from `place`, the sign is no longer that of `value`, and the value there."""
    stride, other = -math.copysign(0.25, value), value
    while other * value > 0:
        place = place + stride
        other = function(place.exp()).item()
    return place, other
