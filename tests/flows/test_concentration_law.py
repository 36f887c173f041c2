import math

import pytest
import torch

from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.concentration_law import concentration_laws, expected_entropies, log_concentration_table
from sunflow.flows.quantiles import interpolate
from sunflow.flows.von_mises import bessel_ratio, entropy


def official(num_steps):
    return accuracy_schedule("official", num_steps, 1000.0)


@pytest.mark.parametrize("kind", ["official", "universal", "hand"])
@pytest.mark.parametrize("num_steps", [10, 100, 300])
def test_second_moment_is_exact(kind, num_steps):
    """E[c_i²] = S_i² + Σ α_j²(1 − A_j²), at every step and whatever the schedule."""
    accuracies = accuracy_schedule(kind, num_steps, 1000.0)
    length = bessel_ratio(accuracies)
    expected = (accuracies * length).cumsum(0) ** 2 + (accuracies**2 * (1 - length**2)).cumsum(0)
    ours = torch.stack([law.square().mean() for law in concentration_laws(accuracies)])
    torch.testing.assert_close(ours, expected, rtol=3e-3, atol=0)


def test_the_second_law_is_the_integral_over_two_angles():
    """|α + α'exp(iδ)| for δ the difference of two observations, by quadrature."""
    accuracies = official(10)[:2]
    grid = 2 * math.pi * torch.arange(1000) / 1000
    first, second = (torch.exp(accuracy * (torch.cos(grid) - 1)) for accuracy in accuracies)
    weight = first[:, None] * second / (first.sum() * second.sum())
    sums = torch.hypot(
        *(
            (accuracies[0] * function(grid))[:, None] + accuracies[1] * function(grid)
            for function in (torch.cos, torch.sin)
        )
    )
    *_, law = concentration_laws(accuracies)
    assert law.mean().item() == pytest.approx((weight * sums).sum().item(), rel=5e-4)
    nats = (weight * entropy(sums)).sum().item()
    assert nats == pytest.approx(1.162, abs=1e-3)
    assert expected_entropies(accuracies)[1].item() == pytest.approx(nats, abs=5e-4)


@pytest.mark.parametrize(
    "num_steps, known",
    [
        (10, {2: 1.162, 3: 0.775, 5: -0.069, 10: -2.0334}),
        (100, {10: 1.516, 25: 1.040, 50: -0.054}),
        (1000, {100: 1.510, 250: 1.037, 500: -0.049}),
    ],
)
def test_expected_entropies_of_the_published_schedule(num_steps, known):
    ours = expected_entropies(official(num_steps))
    for step, nats in known.items():
        assert ours[step - 1].item() == pytest.approx(nats, abs=3e-3)


@pytest.mark.parametrize(
    "num_steps, count, root_mean_square, mean",
    [
        (10, 2, 2.5323, 2.414),
        (10, 3, 4.5712, 4.440),
        (10, 5, 20.243, 20.19),
        (10, 10, 997.5267, 997.51),
        (100, 10, 1.4242, 1.291),
        (100, 25, 3.3625, 3.089),
        (100, 50, 20.197, 19.89),
        (1000, 100, 1.4694, 1.31),
        (1000, 250, 3.4144, 3.12),
        (1000, 500, 20.364, 19.87),
    ],
)
def test_table_has_the_known_means(num_steps, count, root_mean_square, mean):
    """The root of the mean square is exact; the mean was known from 20 000 draws."""
    table = log_concentration_table(official(num_steps)[:count])
    normal = torch.special.ndtri((torch.arange(200_000) + 0.5) / 200_000)
    concentration = torch.exp(interpolate(table, torch.tensor(count), normal))
    assert concentration.square().mean().sqrt().item() == pytest.approx(root_mean_square, rel=1.5e-3)
    error_of_known = 3 * (root_mean_square**2 - mean**2) ** 0.5 / 20_000**0.5
    assert concentration.mean().item() == pytest.approx(mean, abs=error_of_known + 1e-3 * mean)


def test_spread_of_the_logarithm_has_its_known_values():
    laws = list(concentration_laws(official(1000)))
    for count, spread in ((2, 0.734), (100, 0.624), (250, 0.557), (500, 0.231), (1000, 0.016)):
        assert laws[count - 1].log().std().item() == pytest.approx(spread, rel=0.01, abs=5e-4)


def test_table_is_exact_where_little_is_random():
    """Nothing after no observation, α₁ after one, and never outside of what the triangle allows."""
    accuracies = official(10)
    table = torch.exp(log_concentration_table(accuracies))
    assert (table[0] == 0).all()
    torch.testing.assert_close(table[1], accuracies[:1].expand_as(table[1]))
    total, largest = accuracies.cumsum(0), accuracies.cummax(0).values
    assert (table[1:, -1] <= total * (1 + 1e-12)).all()
    assert (table[1:, 0] >= (2 * largest - total).clamp(min=0) * (1 - 1e-12)).all()
    assert (table.diff() >= -1e-9 * table[:, 1:]).all()


def test_law_is_the_same_every_time():
    accuracies = official(20)
    torch.testing.assert_close(log_concentration_table(accuracies), log_concentration_table(accuracies), rtol=0, atol=0)
