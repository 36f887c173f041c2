"""The direct simulation against sums of observations drawn by SciPy, and against iterated Bayesian updates."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.torus import VonMisesFlow
from sunflow.flows.von_mises import bessel_ratio

ROWS = 100_000


def simulated(flow, count, draw):
    """Mean and concentration after `count` observations of 0."""
    rows = len(draw())
    return flow.sample_flow(torch.zeros(rows), torch.full((rows,), count), draw)


def sums_of_observations(accuracies, counts, rows=ROWS):
    """The complex sums of the first so many observations of 0, by rejection."""
    random = np.random.default_rng(2025)
    total = np.zeros(rows, complex)
    for number, accuracy in enumerate(accuracies.tolist(), start=1):
        total = total + accuracy * np.exp(1j * random.vonmises(0, accuracy, rows))
        if number in counts:
            yield number, total


def assert_same(ours, other):
    assert stats.ks_2samp(ours, other).pvalue > 1e-3
    error = math.sqrt(np.var(ours) / len(ours) + np.var(other) / len(other))
    assert abs(np.mean(ours) - np.mean(other)) < 4.5 * error + 1e-12


@pytest.mark.parametrize(
    "kind, num_steps, counts",
    [
        ("official", 10, (2, 3, 5, 10)),
        ("official", 100, (2, 3, 10, 25, 50, 100)),
        ("official", 1000, (2, 3, 20, 100)),
        ("hand", 10, (1, 4, 9)),
    ],
)
def test_direct_simulation_has_the_distribution_of_sums(kind, num_steps, counts, draw_for):
    accuracies = accuracy_schedule(kind, num_steps, 1000.0)[: max(counts)]
    flow, draw = VonMisesFlow(accuracies, ()), draw_for(ROWS)
    for count, total in sums_of_observations(accuracies, counts):
        mean, concentration = (values.numpy() for values in simulated(flow, count, draw))
        if count > 1:
            assert_same(concentration, np.abs(total))
        for function in (np.cos, np.sin):
            assert_same(concentration * function(mean), np.abs(total) * function(np.angle(total)))
        assert_same(mean, np.angle(total))


@pytest.mark.slow
def test_direct_simulation_has_the_distribution_of_a_thousand_sums(draw_for):
    accuracies = accuracy_schedule("official", 1000, 1000.0)
    flow, draw = VonMisesFlow(accuracies, ()), draw_for(ROWS)
    for count, total in sums_of_observations(accuracies, (250, 500, 1000)):
        mean, concentration = (values.numpy() for values in simulated(flow, count, draw))
        assert_same(concentration, np.abs(total))
        assert_same(mean, np.angle(total))


@pytest.mark.parametrize("num_steps, count", [(10, 1), (10, 4), (10, 10), (60, 40)])
def test_direct_simulation_is_the_iterated_one(num_steps, count, draw_for):
    accuracies, rows = accuracy_schedule("official", num_steps, 1000.0), 40_000
    direct, iterated = (
        simulated(VonMisesFlow(accuracies, (), simulation=name), count, draw_for(rows))
        for name in ("direct", "iterated")
    )
    if count == 1:
        torch.testing.assert_close(direct.concentration, iterated.concentration)
    else:
        assert_same(direct.concentration.numpy(), iterated.concentration.numpy())
    assert_same(direct.mean.numpy(), iterated.mean.numpy())
    assert_same(*((belief.mean.abs() * belief.concentration).numpy() for belief in (direct, iterated)))


@pytest.mark.parametrize("simulation, num_draws", [("direct", 2), ("iterated", 11)])
def test_noise_that_a_belief_takes(simulation, num_draws):
    drawn = []

    def draw(*shape):
        drawn.append(math.prod(shape))
        return torch.zeros(5, *shape)

    flow = VonMisesFlow(accuracy_schedule("official", 10, 1000.0), (3,), simulation=simulation)
    belief = flow.sample_flow(torch.zeros(5, 3), torch.arange(5), draw)
    assert sum(drawn) == 3 * num_draws and belief.mean.shape == belief.concentration.shape == (5, 3)


@pytest.mark.parametrize("simulation", ["direct", "iterated"])
def test_moments_are_exact_for_an_odd_schedule(simulation, draw_for):
    """Accuracies that fall and jump, from 1e-3 to 300."""
    accuracies = torch.tensor([5.0, 1e-3, 0.3, 300.0, 0.1, 40.0])
    length = bessel_ratio(accuracies)
    flow, draw = VonMisesFlow(accuracies, (), simulation=simulation), draw_for(ROWS)
    for count in range(1, 7):
        mean, concentration = simulated(flow, count, draw)
        weight = (accuracies * length)[:count].sum()
        for sample, expected in (
            (concentration * torch.cos(mean), weight),
            (concentration.square() * torch.sin(mean).square(), weight),
            (concentration.square(), weight**2 + (accuracies**2 * (1 - length**2))[:count].sum()),
        ):
            assert abs(sample.mean() - expected) < 4.5 * sample.std() / ROWS**0.5 + 1e-3 * expected


@pytest.mark.parametrize("simulation", ["direct", "iterated"])
def test_without_observations_the_mean_is_uniform(simulation, draw_for):
    flow = VonMisesFlow(accuracy_schedule("official", 3, 10.0), (), simulation=simulation)
    mean, concentration = flow.sample_flow(torch.full((ROWS,), 2.0), torch.zeros(ROWS, dtype=int), draw_for(ROWS))
    assert (concentration == 0).all()
    assert stats.kstest(mean.numpy(), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
