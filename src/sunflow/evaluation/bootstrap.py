"""How uncertain a statistic is that has no formula for it."""

from collections.abc import Callable, Sequence

import numpy as np

NUM_RESAMPLES = 200


def bootstrap_interval(
    statistic: Callable[..., float], samples: Sequence[np.ndarray], generator: np.random.Generator
) -> tuple[float, float]:
    """The 95 % interval of a statistic that is not negative, by drawing from each sample anew with replacement.

    Distances between samples grow when both are drawn anew, so that the quantiles of the resamples lie too high; here
    their spread about their own mean is laid around the statistic (Davison & Hinkley, 1997, §5.2).
    """
    value = statistic(*samples)
    drawn = np.array(
        [statistic(*(generator.choice(each, len(each)) for each in samples)) for _ in range(NUM_RESAMPLES)]
    )
    low, high = value + np.quantile(drawn - drawn.mean(), [0.025, 0.975])
    return max(0.0, float(low)), float(high)
