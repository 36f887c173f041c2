import math

import pytest
import torch
from scipy import stats

from sunflow.flows.von_mises import QuantileTable, bessel_ratio, entropy, kl_divergence, lower_quantiles

LENGTH_AND_ENTROPY = {
    0: (0, 1.837877066),
    0.1: (0.0499376039879, 1.835381745),
    0.5: (0.242499612581, 1.778176979),
    1: (0.446389965897, 1.627401459),
    2: (0.697774657964, 1.266321292),
    5: (0.893383137044, 0.675643157),
    10: (0.948599825955, 0.29485089),
    50: (0.989948967378, -0.5319958006),
    100: (0.994987373005, -0.8811275442),
    500: (0.998999498997, -1.687864764),
    1000: (0.999499874875, -2.034688919),
    10000: (0.99994999875, -3.186206651),
}


def test_bessel_ratio_and_entropy_have_their_known_values():
    concentration = torch.tensor(list(LENGTH_AND_ENTROPY), dtype=torch.float64)
    length, nats = torch.tensor(list(LENGTH_AND_ENTROPY.values())).T
    torch.testing.assert_close(bessel_ratio(concentration), length, rtol=0, atol=2e-12)
    torch.testing.assert_close(entropy(concentration), nats, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "mean, concentration, other_mean, other_concentration, expected",
    [
        (0, 1, 0.5, 1, 0.0546459160),
        (0, 1, math.pi, 1, 0.8927799318),
        (0, 10, 0.1, 10, 0.0473904795),
        (0, 1000, 0.01, 1000, 0.0499745773),
        (0, 1000, math.pi, 1000, 1998.99975),
        (0.3, 2, -0.4, 5, 1.2078000721),
        (1, 10, 1.2, 3, 0.3392608428),
    ],
)
def test_kl_divergence_has_its_known_values(mean, concentration, other_mean, other_concentration, expected):
    arguments = map(lambda value: torch.tensor(float(value)), (mean, concentration, other_mean, other_concentration))
    assert kl_divergence(*arguments).item() == pytest.approx(expected, rel=1e-8)


def test_kl_divergence_is_the_integral_that_defines_it():
    angle = torch.linspace(-math.pi, math.pi, 20001)[:-1]
    values = torch.tensor([0.3, 2.0, -0.4, 5.0])

    def log_density(mean, concentration):
        scaled = torch.log(2 * math.pi * torch.special.i0e(concentration))
        return concentration * (torch.cos(angle - mean) - 1) - scaled

    ours, other = log_density(values[0], values[1]), log_density(values[2], values[3])
    integral = (torch.exp(ours) * (ours - other)).mean() * 2 * math.pi
    torch.testing.assert_close(kl_divergence(*values), integral, rtol=1e-10, atol=0)


@pytest.mark.parametrize("concentration", [1e-6, 1e-3, 0.125, 1, 8.2, 75, 539, 1e4, 1e5])
def test_quantiles_are_those_of_scipy(concentration):
    probability = torch.tensor([1e-7, 1e-4, 0.01, 0.2, 0.5])
    quantiles = lower_quantiles(torch.tensor([float(concentration)]), probability)[0]
    # SciPy turns to a normal approximation at large concentrations, so the inverse is checked by integration.
    for quantile, wanted in zip(quantiles.tolist(), probability.tolist(), strict=True):
        assert _probability_below(quantile, concentration) == pytest.approx(wanted, rel=2e-3 if wanted < 1e-6 else 2e-4)


def _probability_below(angle, concentration):
    low = max(-math.pi, -20 / math.sqrt(concentration))
    grid = torch.linspace(low, angle, 400_001)
    density = torch.exp(-2 * concentration * torch.sin(grid / 2) ** 2)
    scaled = 2 * math.pi * torch.special.i0e(torch.tensor(float(concentration)))
    return (torch.trapezoid(density, grid) / scaled).item()


@pytest.mark.parametrize("concentration", [1e-6, 1e-3, 0.125, 1, 8.2, 75, 539])
def test_table_samples_the_distribution(concentration, draw_for):
    table = QuantileTable(torch.tensor([3.0, concentration]))
    angles = table(draw_for(100_000)(), torch.tensor(1))
    assert stats.kstest(angles.numpy(), stats.vonmises(concentration).cdf).pvalue > 1e-3


@pytest.mark.parametrize("concentration", [1e-6, 0.125, 1, 8.2, 75, 539, 1e4, 1e5])
def test_table_has_the_moments_of_the_distribution(concentration):
    """Noise at the middles of equal probabilities leaves no sampling error, only that of the table."""
    kappa = torch.tensor([float(concentration)])
    normal = torch.special.ndtri((torch.arange(1_000_000) + 0.5) / 1_000_000)
    angles = QuantileTable(kappa)(normal, torch.tensor(0))
    length = bessel_ratio(kappa)[0]
    torch.testing.assert_close(torch.sin(angles).mean(), torch.tensor(0.0), rtol=0, atol=1e-9)
    torch.testing.assert_close((1 - torch.cos(angles)).mean(), 1 - length, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(torch.sin(angles).square().mean(), length / kappa[0], rtol=1e-3, atol=0)


def test_table_is_safe_at_the_ends_of_single_precision():
    torch.set_default_dtype(torch.float32)
    table = QuantileTable(torch.tensor([1e-6, 1e5]))
    normal = torch.tensor([[-100.0, -5.5, 0, 5.5, 100]]).T.expand(-1, 2)
    angles = table(normal, torch.arange(2))
    assert angles.dtype == torch.float32 and angles.isfinite().all() and angles.abs().max() <= math.pi
    assert angles[2].tolist() == [0, 0] and angles[4, 1] > 5 / math.sqrt(1e5)
