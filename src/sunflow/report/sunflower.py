"""Every requested crystal as a seed of a sunflower head, coloured by what became of it."""

import math
from dataclasses import dataclass

MAX_SEEDS = 800
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True)
class Seed:
    """A dot in a circle of radius 1."""

    x: float
    y: float
    radius: float
    outcome: str


def crystals_per_seed(num_crystals: int) -> int:
    """How many crystals a dot stands for, so that there are at most `MAX_SEEDS`."""
    return max(1, math.ceil(num_crystals / MAX_SEEDS))


def seeds(outcomes: dict[str, int]) -> list[Seed]:
    """Dots from the centre outwards in the order of `outcomes`, each for `crystals_per_seed` crystals.

    Positions are Vogel's spiral: radius √n, angle n times the golden angle.
    """
    num_crystals = sum(outcomes.values())
    shares = _apportion(outcomes, round(num_crystals / crystals_per_seed(num_crystals)))
    names = [name for name, count in shares.items() for _ in range(count)]
    scale = 1 / math.sqrt(len(names) + 1) if names else 1.0
    radius = min(0.66 * scale, 0.14)
    return [
        Seed(*_polar(scale * math.sqrt(index + 0.6) * (1 - radius), index * _GOLDEN_ANGLE), radius, name)
        for index, name in enumerate(names)
    ]


def _polar(distance: float, angle: float) -> tuple[float, float]:
    return distance * math.cos(angle), distance * math.sin(angle)


def _apportion(counts: dict[str, int], seats: int) -> dict[str, int]:
    """Whole numbers in proportion to `counts` that add up to `seats`, none zero that was not (largest remainders)."""
    total = sum(counts.values()) or 1
    exact = {name: count * seats / total for name, count in counts.items()}
    shares = {name: max(int(value), int(value > 0)) for name, value in exact.items()}
    by_remainder = sorted(counts, key=lambda name: exact[name] - shares[name])
    for name in reversed(by_remainder):
        if sum(shares.values()) < seats:
            shares[name] += 1
    while sum(shares.values()) > seats:
        shares[max(shares, key=lambda name: shares[name])] -= 1
    return shares
