import math

import pytest
import torch

from sunflow.flows.von_mises import bessel_ratio, entropy, kl_divergence

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


def test_scaled_bessel_functions_have_their_known_values():
    known = {0.1: (0.9071009258, 0.04529844681), 1: (0.4657596076, 0.2079104153), 10: (0.1278333372, 0.1212626814)}
    known |= {100: (0.0399443793, 0.03974415303), 1000: (0.01261724046, 0.01261093026)}
    concentration, expected = torch.tensor(list(known), dtype=torch.float64), torch.tensor(list(known.values()))
    ours = torch.stack([torch.special.i0e(concentration), torch.special.i1e(concentration)], -1)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype, precision", [(torch.float32, 2e-6), (torch.float64, 1e-13)])
def test_bessel_ratio_is_right_over_the_whole_range(dtype, precision):
    concentration = torch.logspace(-6, 5, 111, dtype=dtype)
    ratio = bessel_ratio(concentration)
    small, large = concentration < 1e-3, concentration > 1e3
    k = concentration.double()
    torch.testing.assert_close(ratio[small].double(), (k / 2 - k**3 / 16)[small], rtol=precision, atol=0)
    torch.testing.assert_close(
        ratio[large].double(), (1 - 1 / (2 * k) - 1 / (8 * k**2))[large], rtol=2e-10 + precision, atol=0
    )
    assert (ratio.diff() >= 0).all() and (ratio <= 1).all()


def test_entropy_is_right_at_the_ends():
    """Nearly that of the uniform distribution, and that of the normal distribution."""
    small, large = torch.tensor([1e-6, 1e-4]), torch.tensor([1e4, 1e5])
    torch.testing.assert_close(entropy(small), math.log(2 * math.pi) - small**2 / 4, rtol=0, atol=1e-15)
    normal = 0.5 * torch.log(2 * math.pi * math.e / large) + 1 / (4 * large)
    torch.testing.assert_close(entropy(large), normal, rtol=0, atol=1e-8)
    assert (entropy(torch.logspace(-6, 5, 1000)).diff() < 0).all()


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


def test_kl_divergence_is_finite_over_the_whole_range():
    concentration = torch.logspace(-6, 5, 23)
    one, other = torch.meshgrid(concentration, concentration, indexing="ij")
    for angle in (0.0, 1.0, math.pi):
        nats = kl_divergence(torch.full_like(one, angle), one, torch.zeros_like(one), other)
        assert nats.isfinite().all() and (nats > -1e-10).all()
