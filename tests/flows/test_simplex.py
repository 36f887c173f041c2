import pytest
import torch
from scipy import stats

from sunflow.flows.simplex import CategoricalFlow, draw_class


def one_hot(rows, num_types, of):
    return torch.eye(num_types)[torch.full((rows,), of)]


@pytest.mark.parametrize(
    "num_types, final_accuracy, count, probability, correct",
    [
        (89, 0.5, 1, 0.0173, 0.048),
        (89, 0.5, 5, 0.705, 0.788),
        (89, 0.5, 10, 0.9999, 0.9999),
        (89, 0.4, 5, 0.572, 0.686),
        (89, 0.4, 10, 0.9986, 0.9989),
        (56, 3.0, 1, 0.0765, 0.180),
        (56, 3.0, 5, 0.9998, 0.9999),
    ],
)
def test_beliefs_have_their_known_statistics(num_types, final_accuracy, count, probability, correct, draw_for):
    rows = 20_000
    flow = CategoricalFlow(10, final_accuracy, num_types)
    belief = flow.sample_flow(one_hot(rows, num_types, 2), torch.full((rows,), count), draw_for(rows))
    of_truth = belief.probabilities[:, 2]
    guessed = (belief.logits.argmax(-1) == 2).double()
    assert of_truth.mean().item() == pytest.approx(probability, abs=6 * of_truth.std().item() / rows**0.5 + 2e-4)
    assert guessed.mean().item() == pytest.approx(correct, abs=6 * guessed.std().item() / rows**0.5 + 2e-4)


@pytest.mark.parametrize("num_types, final_accuracy, cost", [(94, 0.4, 18.6), (13, 1.5, 9.0)])
def test_values_at_the_sizes_of_symmbfn(num_types, final_accuracy, cost, draw_for):
    """SymmBFN's specification: the cost of a uniform estimate, ½Kβ₁(1 − 1/K), and the margin of the final logits."""
    flow = CategoricalFlow(1000, final_accuracy, num_types)
    rows = torch.eye(num_types)[torch.zeros(1000, dtype=torch.long)]
    uniform = torch.full((1000, num_types), 1 / num_types)
    mean = flow.loss(rows, uniform, torch.arange(1, 1001), draw_for(1000)).mean().item()
    assert mean == pytest.approx(cost, rel=2e-3)
    rows = torch.eye(num_types)[torch.zeros(20_000, dtype=torch.long)]
    logits = flow.sample_flow(rows, torch.full((20_000,), 1000), draw_for(20_000)).logits
    margin = logits[:, 0] - logits[:, 1]
    assert margin.mean().item() == pytest.approx(final_accuracy * num_types, abs=0.3)
    assert margin.var().item() == pytest.approx(2 * final_accuracy * num_types, rel=0.05)
    right = (logits.argmax(-1) == 0).double().mean().item()
    assert right == pytest.approx({94: 0.9994, 13: 0.991}[num_types], abs=0.004)


def test_accuracies_add_up_quadratically():
    flow = CategoricalFlow(10, 3.0, 5)
    torch.testing.assert_close(flow.accuracy, 3 * (2 * torch.arange(1, 11) - 1) / 100)


def test_flow_equals_repeated_bayesian_updates(draw_for):
    rows, count = 5_000, 6
    flow = CategoricalFlow(10, 1.0, 5)
    x = one_hot(rows, 5, 3)
    direct = flow.sample_flow(x, torch.full((rows,), count), draw_for(rows))
    belief, draw = flow.prior(rows, draw_for(rows)), draw_for(rows)
    for step in range(1, count + 1):
        belief = flow.update(belief, x, torch.full((rows,), step), draw)
    beta = 0.36
    for logits in (direct.logits, belief.logits):
        error = (beta * 5 / rows) ** 0.5
        assert (logits.mean(0) - beta * (5 * x[0] - 1)).abs().max() < 4.5 * error
        torch.testing.assert_close(logits.var(0).mean().item(), beta * 5, rtol=0.03, atol=0)
    for of_type in (0, 3):
        ours, other = (beliefs.probabilities[:, of_type] for beliefs in (direct, belief))
        assert stats.ks_2samp(ours, other).pvalue > 1e-3


def test_beliefs_are_calibrated(draw_for):
    """With all types equally likely, the belief is the posterior."""
    rows = 40_000
    flow = CategoricalFlow(10, 1.0, 5)
    truth = torch.arange(rows) % 5
    belief = flow.sample_flow(torch.eye(5)[truth], torch.full((rows,), 5), draw_for(rows)).probabilities
    surplus = belief[torch.arange(rows), truth] - belief.square().sum(-1)
    assert abs(surplus.mean()) < 4.5 * surplus.std() / rows**0.5


def test_continuous_loss_is_weighted_squared_distance(draw_for):
    flow = CategoricalFlow(10, 3.0, 5)
    steps = torch.tensor([1, 5, 9, 10])
    loss = flow.loss(one_hot(4, 5, 1), torch.full((4, 5), 0.2), steps, draw_for(4))
    torch.testing.assert_close(loss, torch.tensor([0, 4.8, 9.6, 10.8]))
    assert (flow.loss(one_hot(4, 5, 1), one_hot(4, 5, 1), steps, draw_for(4)) == 0).all()


@pytest.mark.parametrize("step, known", [(1, 0.594), (5, 4.664), (10, 8.331)])
def test_discrete_loss_has_its_known_values(step, known, draw_for):
    rows = 100_000
    flow = CategoricalFlow(10, 3.0, 5, loss="discrete")
    loss = flow.loss(one_hot(rows, 5, 2), torch.full((rows, 5), 0.2), torch.full((rows,), step), draw_for(rows))
    error = loss.std().item() / rows**0.5
    assert loss.mean().item() == pytest.approx(known, abs=4 * error + 1e-3) and error < 0.02


def test_discrete_loss_is_the_divergence_that_defines_it(draw_for):
    """Sender against the receiver's mixture, both as densities of the observation (eq. 24)."""
    rows, types, step = 100_000, 3, 4
    flow = CategoricalFlow(10, 2.0, types, loss="discrete")
    estimate = torch.tensor([0.2, 0.7, 0.1])
    truth = one_hot(rows, types, 2)
    ours = flow.loss(truth, estimate.expand(rows, types), torch.full((rows,), step), draw_for(rows))
    accuracy = flow.accuracy[step - 1].item()
    means, spread = accuracy * (types * torch.eye(types) - 1), (accuracy * types) ** 0.5
    observed = means[2] + spread * draw_for(rows)(types)
    densities = torch.distributions.Normal(means, spread).log_prob(observed[:, None]).sum(-1)
    divergence = 10 * (densities[:, 2] - torch.logsumexp(densities + estimate.log(), -1))
    error = ((ours.var() + divergence.var()) / rows).sqrt()
    assert abs(ours.mean() - divergence.mean()) < 4 * error


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_discrete_loss_and_its_gradient_are_finite_where_the_truth_is_ruled_out(dtype, draw_for):
    torch.set_default_dtype(dtype)
    flow = CategoricalFlow(10, 3.0, 4, loss="discrete")
    logits = torch.tensor([[0.0, 1e3, 0, 0], [1e3, 0, 0, 0]], requires_grad=True)
    loss = flow.loss(one_hot(2, 4, 0), torch.softmax(logits, -1), torch.tensor([10, 10]), draw_for(2))
    loss.sum().backward()
    assert loss.isfinite().all() and loss[0] > 10 and loss[1] == 0 and logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", ["continuous", "discrete"])
def test_a_single_type_is_certain(loss, draw_for):
    flow, steps, x = CategoricalFlow(10, 0.5, 1, loss=loss), torch.tensor([1, 5, 10]), torch.ones(3, 1)
    for belief in (
        flow.prior(3, draw_for(3)),
        flow.sample_flow(x, steps, draw_for(3)),
        flow.update(flow.prior(3, draw_for(3)), x, steps, draw_for(3)),
    ):
        assert (belief.probabilities == 1).all()
    assert (flow.loss(x, belief.probabilities, steps, draw_for(3)) == 0).all()


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="'ctime' is no loss of classes: known are continuous, discrete"):
        CategoricalFlow(10, 0.5, 4, loss="ctime")


def test_classes_are_drawn_by_their_probability(draw_for):
    rows = 50_000
    probabilities = torch.tensor([0.0, 0.1, 0.6, 0.3, 0.0])
    counts = torch.bincount(draw_class(probabilities.expand(rows, 5), draw_for(rows)), minlength=5)
    assert counts[0] == 0 and counts[4] == 0
    assert stats.chisquare(counts[1:4], (probabilities[1:4] * rows).numpy()).pvalue > 1e-3


def test_drawing_survives_nonsense(draw_for):
    probabilities = torch.tensor([[torch.nan, 1.0], [torch.inf, torch.inf], [0.0, 1.0]])
    drawn = draw_class(probabilities, draw_for(3))
    assert ((drawn == 0) | (drawn == 1)).all() and drawn[2] == 1
    assert draw_class(torch.tensor([[0.5, 0.5, 0.0]]), lambda *shape: torch.full((1, *shape), 40.0)).item() == 1
