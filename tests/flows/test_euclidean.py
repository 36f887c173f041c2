import math

import pytest
import torch
from scipy import stats

from sunflow.flows.euclidean import GaussianFlow, denoised

SIGMA = 0.001**0.5


def test_gamma_and_its_spread_have_their_known_values(draw_for):
    flow, rows = GaussianFlow(10, SIGMA, shape=()), 100_000
    for count, gamma, spread in (
        (1, 0.4988127664, 0.4999985905),
        (5, 0.9683772234, 0.1749936473),
        (10, 0.999, 0.0316069613),
    ):
        mean, precision = flow.sample_flow(torch.full((rows,), 2.0), torch.full((rows,), count), draw_for(rows))
        assert 1 - 1 / precision[0].item() == pytest.approx(gamma, abs=1e-10)
        assert mean.mean().item() == pytest.approx(2 * gamma, abs=4 * spread / math.sqrt(rows))
        assert mean.std().item() == pytest.approx(spread, rel=0.01)


def test_accuracies_have_their_known_values():
    accuracy = GaussianFlow(10, SIGMA, shape=()).accuracy
    assert accuracy[0].item() == pytest.approx(0.995262, abs=1e-6)
    assert accuracy[-1].item() == pytest.approx(498.812766, abs=1e-5)
    accuracy = GaussianFlow(1000, SIGMA, shape=()).accuracy
    assert accuracy[0].item() == pytest.approx(0.006932, abs=1e-6)
    assert accuracy[-1].item() == pytest.approx(6.883952, abs=1e-6)
    assert accuracy.sum().item() == pytest.approx(999)


def test_values_at_the_sigma_of_symmbfn():
    """SymmBFN's specification, σ₁ = 0.001 and 0.01; n = 100 and 1000 steps."""
    precision = GaussianFlow(1000, 0.001, shape=()).precision
    gammas = [1 - 1 / precision[place].item() for place in (100, 250, 500, 1000)]
    assert gammas == pytest.approx([0.74881136, 0.96837722, 0.999, 0.999999], abs=1e-7)
    precision = GaussianFlow(100, 0.01, shape=()).precision
    assert [1 - 1 / precision[place].item() for place in (10, 25, 50)] == pytest.approx(
        [0.60189283, 0.9, 0.99], abs=1e-6
    )
    accuracy = GaussianFlow(100, 0.001, shape=()).accuracy
    assert accuracy[[0, 49, 99]].tolist() == pytest.approx([0.1481536, 129.03641, 129036.41], rel=1e-6)
    assert accuracy.sum().item() == pytest.approx(999999, rel=1e-6)
    many = GaussianFlow(100_000, 0.001, shape=())
    assert many.num_steps * many.accuracy[50_000].item() / 2 == pytest.approx(6907.755, rel=1e-3)


def test_the_noise_in_a_belief_tells_the_estimate(draw_for):
    """μ = γx + √(γ(1 − γ)) ε gives x back, and 0 where nothing has been observed."""
    flow, x = GaussianFlow(10, 0.1, shape=(3,)), torch.linspace(-2, 2, 33).reshape(11, 3)
    count = torch.arange(11)
    belief = flow.sample_flow(x, count, draw_for(11))
    gamma = (1 - 1 / belief.precision)[:, None]
    noise = (belief.mean - gamma * x) / torch.sqrt(gamma * (1 - gamma)).clamp(min=1e-30)
    estimate = denoised(belief, noise)
    torch.testing.assert_close(estimate[1:], x[1:], rtol=1e-4, atol=1e-4)
    assert (estimate[0] == 0).all()
    wrong = denoised(belief, noise + 1)[1:]
    expected = ((1 - gamma) / gamma)[1:].expand(-1, 3)
    torch.testing.assert_close((wrong - x[1:]).square(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("num_steps, first, last", [(10, 4.976, 2494.06), (1000, 3.466, 3441.98)])
def test_weights_of_the_loss(num_steps, first, last, draw_for):
    flow = GaussianFlow(num_steps, SIGMA, shape=(3, 3))
    step = torch.arange(1, num_steps + 1)
    loss = flow.loss(torch.zeros(num_steps, 3, 3), torch.ones(num_steps, 3, 3), step, draw_for(num_steps))
    assert loss[0].item() == pytest.approx(first, abs=1e-3)
    assert loss[-1].item() == pytest.approx(last, abs=1e-2)
    assert loss.mean().item() == pytest.approx(499.5)


def test_flow_equals_repeated_bayesian_updates(draw_for):
    flow, rows, count = GaussianFlow(20, SIGMA, shape=(3, 3)), 2_000, 7
    x = torch.linspace(-1, 1, 9).reshape(3, 3).expand(rows, 3, 3)
    direct = flow.sample_flow(x, torch.full((rows,), count), draw_for(rows))
    belief, draw = flow.prior(rows, draw_for(rows)), draw_for(rows)
    for step in range(1, count + 1):
        belief = flow.update(belief, x, torch.full((rows,), step), draw)
    torch.testing.assert_close(direct.precision, belief.precision)
    gamma = 1 - SIGMA ** (2 * count / 20)
    for mean in (direct.mean, belief.mean):
        error = (gamma * (1 - gamma) / rows) ** 0.5
        assert (mean.mean(0) - gamma * x[0]).abs().max() < 4.5 * error
        torch.testing.assert_close(mean.var(0).mean().item(), gamma * (1 - gamma), rtol=0.03, atol=0)
    for row, column in ((0, 0), (1, 1), (2, 1)):
        assert stats.ks_2samp(direct.mean[:, row, column], belief.mean[:, row, column]).pvalue > 1e-3


def test_update_is_bayes_rule_on_the_precisions():
    flow = GaussianFlow(4, SIGMA, shape=())
    belief = flow.prior(1, torch.zeros)
    noise = torch.tensor([0.3])
    mean, precision = flow.update(belief, torch.tensor([5.0]), torch.tensor([1]), lambda: noise)
    accuracy = flow.accuracy[0]
    torch.testing.assert_close(precision, 1 + accuracy.reshape(1))
    torch.testing.assert_close(mean, accuracy * (5 + noise / accuracy.sqrt()) / (1 + accuracy))


def test_nothing_is_known_before_any_observation(draw_for):
    mean, precision = GaussianFlow(4, SIGMA, shape=(2,)).sample_flow(
        torch.ones(3, 2), torch.zeros(3, dtype=int), draw_for(3)
    )
    assert (mean == 0).all() and (precision == 1).all()
