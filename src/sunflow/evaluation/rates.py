"""Rates with their uncertainty."""

import math

Z_95 = 1.959963984540054
"""Standard score of a two-sided 95 % interval."""


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate; (0, 1) where nothing was tried.

    It stands for the sampling alone: had other crystals been drawn, the rate would lie there 19 times of 20.
    """
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    scale = 1 + Z_95**2 / trials
    center = (rate + Z_95**2 / (2 * trials)) / scale
    half = Z_95 / scale * math.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2))
    low = 0.0 if successes == 0 else center - half
    high = 1.0 if successes == trials else center + half
    return low, high
