import math

import pytest
import torch
from scipy import stats

from sunflow.flows.quantiles import QuantileTable, lower_quantiles
from sunflow.flows.von_mises import bessel_ratio

CONCENTRATIONS = [1e-6, 1e-3, 0.03, 0.125, 1.0, 3.3, 8.2, 75.0, 539.0, 1e4, 1e5]
"""Mostly between the rows of the table."""


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


@pytest.mark.parametrize("concentration", [0, 1e-6, 1e-3, 0.125, 1, 8.2, 75, 539])
def test_table_samples_the_distribution(concentration, draw_for):
    angles = QuantileTable()(draw_for(100_000)(), torch.tensor(float(concentration)))
    cdf = stats.vonmises(concentration).cdf if concentration else stats.uniform(-math.pi, 2 * math.pi).cdf
    assert stats.kstest(angles.numpy(), cdf).pvalue > 1e-3


@pytest.mark.parametrize("concentration", CONCENTRATIONS)
def test_error_of_the_table_is_bounded(concentration):
    """At every noise, the probability below the angle is that below the noise."""
    normal = torch.linspace(-5.4, 0, 500)
    angles = QuantileTable()(normal, torch.tensor(concentration)).numpy()
    grid = torch.linspace(-1, 0, 100_001) * min(math.pi, 14 / math.sqrt(concentration))
    density = torch.exp(-2 * concentration * torch.sin(grid / 2) ** 2)
    below = torch.nn.functional.pad(torch.cumulative_trapezoid(density, grid), (1, 0))
    place = torch.searchsorted(grid, torch.from_numpy(angles)).clamp(max=len(grid) - 1)
    torch.testing.assert_close((below / below[-1] / 2)[place], torch.special.ndtr(normal), rtol=0, atol=2e-4)


@pytest.mark.parametrize("concentration", CONCENTRATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_table_has_the_moments_of_the_distribution(concentration, dtype):
    """Noise at the middles of equal probabilities leaves no sampling error, only that of the table."""
    kappa = torch.tensor([concentration])
    normal = torch.special.ndtri((torch.arange(1_000_000) + 0.5) / 1_000_000)
    angles = QuantileTable(dtype)(normal.to(dtype), kappa.to(dtype)).double()
    length = bessel_ratio(kappa)[0]
    torch.testing.assert_close(torch.sin(angles).mean(), torch.tensor(0.0), rtol=0, atol=1e-6)
    torch.testing.assert_close(2 * torch.sin(angles / 2).square().mean(), 1 - length, rtol=2e-4, atol=0)
    torch.testing.assert_close(torch.sin(angles).square().mean(), length / kappa[0], rtol=2e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_table_is_safe_at_its_ends(dtype):
    normal, concentration = torch.tensor([-100.0, -5.5, 0, 5.5, 100]), torch.tensor([0, 1e-6, 1.0, 1e5, 1e8])
    angles = QuantileTable(dtype)(*torch.meshgrid(normal.to(dtype), concentration.to(dtype), indexing="ij"))
    assert (
        angles.dtype == dtype and angles.isfinite().all() and angles.abs().max() <= torch.tensor(math.pi, dtype=dtype)
    )
    assert (angles[2].abs() < 1e-9).all() and angles[4, 3] > 5 / math.sqrt(1e5)
