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


def seeds(outcomes: dict[str, int]) -> list[Seed]:
    """One dot per crystal from the centre outwards in the order of `outcomes`, scaled down beyond `MAX_SEEDS`.

    Positions are Vogel's spiral: radius √n, angle n times the golden angle.
    """
    shares = _apportion(outcomes, min(sum(outcomes.values()), MAX_SEEDS))
    names = [name for name, count in shares.items() for _ in range(count)]
    scale = 1 / math.sqrt(len(names) + 1) if names else 1.0
    radius = min(0.74 * scale, 0.16)
    return [
        Seed(*_polar(scale * math.sqrt(index + 0.6) * (1 - radius / 2), index * _GOLDEN_ANGLE), radius, name)
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
