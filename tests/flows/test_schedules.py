import math

import pytest
import torch

from sunflow.flows.accuracy_schedule import SCHEDULES, accuracy_schedule
from sunflow.flows.concentration_law import expected_entropies
from sunflow.flows.linear_entropy import target_concentrations, target_entropies
from sunflow.flows.von_mises import bessel_ratio, entropy


def test_targets_have_their_known_values():
    targets = target_concentrations(20, 1000.0)
    known = {1: 0.952009, 2: 1.478033, 4: 2.702499, 5: 3.627693, 6: 4.995999, 8: 10.113934, 10: 21.307108}
    known |= {12: 45.620087, 14: 98.379943, 15: 144.668682, 16: 212.849622, 18: 461.198072, 20: 1000}
    for step, value in known.items():
        assert targets[step - 1].item() == pytest.approx(value, abs=6e-7)


def test_targets_of_a_higher_final_accuracy_have_their_known_values():
    targets = target_concentrations(20, 1e4)
    for step, value in {2: 1.796135, 5: 5.894390, 10: 66.276673, 15: 811.484458}.items():
        assert targets[step - 1].item() == pytest.approx(value, abs=6e-7)


def test_entropies_of_targets_fall_on_a_line():
    nats = entropy(target_concentrations(50, 300.0))
    slopes = nats.diff()
    torch.testing.assert_close(slopes, slopes.mean().expand_as(slopes), rtol=1e-9, atol=0)
    assert nats[-1].item() == pytest.approx(entropy(torch.tensor(300.0)).item(), abs=1e-12)


OFFICIAL = {
    10: "1.47803 1.58701 2.62813 5.38411 11.43775 24.54962 52.99311 114.70142 248.57950 539.03266",
    20: ".95201 .88965 .97175 1.12951 1.39936 1.83553 2.49348 3.46048 4.89795 7.03184 10.18396 14.83158 21.68005 "
    "31.7692 46.63103 68.52231 100.76725 148.26229 218.21959 321.26226",
}


@pytest.mark.parametrize("num_steps", OFFICIAL)
def test_official_schedule(num_steps):
    accuracies = accuracy_schedule("official", num_steps, 1000.0)
    known = torch.tensor([float(value) for value in OFFICIAL[num_steps].split()])
    torch.testing.assert_close(accuracies, known, rtol=0, atol=6e-6)


@pytest.mark.parametrize(
    "num_steps, final_accuracy, known",
    [
        (50, 1e3, {1: 0.573520, 2: 0.548423, 3: 0.544893, 5: 0.559425, 12: 0.846406, 25: 3.467671}),
        (50, 1e3, {37: 19.581015, 49: 123.276515, 50: 143.858736}),
        (100, 1e3, {1: 0.399422, 6: 0.383506, 10: 0.394984, 20: 0.509728, 30: 0.790324, 40: 1.268805, 50: 2.113366}),
        (100, 1e3, {60: 3.872905, 70: 7.775890, 80: 16.29673, 90: 34.801225, 100: 74.955049}),
        (1000, 1e3, {1: 0.124641, 2: 0.139174, 58: 0.120734, 100: 0.124785, 200: 0.161532, 300: 0.246678}),
        (1000, 1e3, {400: 0.378031, 500: 0.570854, 600: 0.866709, 700: 1.349576, 800: 2.231701, 900: 4.094837}),
        (1000, 1e3, {1000: 8.225030}),
        (2000, 1e3, {1: 0.088070, 2: 0.100169, 200: 0.088233, 400: 0.114233, 600: 0.174292, 800: 0.266407}),
        (2000, 1e3, {1000: 0.400089, 1200: 0.600176, 1400: 0.910010, 1600: 1.421350, 1800: 2.370963, 2000: 4.401004}),
        (100, 1e4, {1: 0.456986, 100: 956.387667}),
        (1000, 1e4, {1: 0.142029, 1000: 100.469791}),
    ],
)
def test_official_schedule_at_single_steps(num_steps, final_accuracy, known):
    accuracies = accuracy_schedule("official", num_steps, final_accuracy)
    for step, value in known.items():
        assert accuracies[step - 1].item() == pytest.approx(value, abs=1.2e-6)


OFFICIAL_SUMS = [
    (10, 1e3, 1002.371, 997.024),
    (20, 1e3, 1007.191, 996.546),
    (50, 1e3, 1021.908, 996.279),
    (100, 1e3, 1045.145, 996.211),
    (200, 1e3, 1088.331, 996.189),
    (500, 1e3, 1204.381, 996.186),
    (1000, 1e3, 1375.002, 996.189),
    (2000, 1e3, 1671.746, 996.192),
]


@pytest.mark.parametrize("num_steps, final_accuracy, total, weight", OFFICIAL_SUMS)
def test_official_sums(num_steps, final_accuracy, total, weight):
    accuracies = accuracy_schedule("official", num_steps, final_accuracy)
    assert accuracies.sum().item() == pytest.approx(total, abs=1e-3)
    assert (accuracies * bessel_ratio(accuracies)).sum().item() == pytest.approx(weight, abs=1e-3)


def test_official_sums_of_a_higher_final_accuracy():
    accuracies = accuracy_schedule("official", 100, 1e4)
    assert accuracies.sum().item() == pytest.approx(10045.05, abs=6e-3)
    assert (accuracies * bessel_ratio(accuracies)).sum().item() == pytest.approx(9995.133, abs=1e-3)
    assert accuracy_schedule("official", 1000, 1e4).sum().item() == pytest.approx(10413.95, abs=6e-3)


def test_sums_of_weights_and_variances_at_single_steps():
    accuracies = accuracy_schedule("official", 1000, 1000.0)
    length = bessel_ratio(accuracies)
    weight = (accuracies * length).cumsum(0)
    variance = (accuracies**2 * (1 - length**2)).cumsum(0) - weight
    at = torch.tensor([1, 10, 100, 500, 1000]) - 1
    known = torch.tensor(
        [[0.00775, 0.095, 0.77823, 19.4068, 996.18869], [0.00772, 0.09454, 0.77518, 18.65151, 262.14087]]
    )
    torch.testing.assert_close(torch.stack([weight, variance])[:, at], known, rtol=0, atol=6e-6)


@pytest.mark.parametrize("num_steps, off, at", [(10, 0.099, 3), (100, 0.171, 24), (1000, 0.168, 247)])
def test_the_published_schedule_keeps_the_entropy_above_its_line(num_steps, off, at):
    surplus = expected_entropies(accuracy_schedule("official", num_steps, 1000.0)) - target_entropies(num_steps, 1000.0)
    assert surplus.max().item() == pytest.approx(off, abs=2e-3)
    assert surplus[at - 1].item() == pytest.approx(surplus.max().item(), abs=1e-3)


FLOW_EXACT = {
    10: dict(enumerate([1.478, 1.9752, 2.989, 5.5866, 11.6569, 24.7907, 53.2431, 114.9639, 248.8505, 539.2991], 1)),
    50: {1: 0.5735, 2: 0.5973, 3: 0.6236, 5: 0.6781, 12: 0.9887, 25: 3.5121, 37: 19.6458, 49: 123.348, 50: 143.930},
}


@pytest.mark.parametrize("num_steps, weight", [(10, 999.50), (50, 999.51)])
def test_flow_exact_schedule(num_steps, weight):
    """The known values come from 40 000 particles and carry an error of a few thousandths."""
    accuracies = accuracy_schedule("flow_exact", num_steps, 1000.0)
    for step, value in FLOW_EXACT[num_steps].items():
        assert accuracies[step - 1].item() == pytest.approx(value, rel=3e-3)
    assert (accuracies * bessel_ratio(accuracies)).sum().item() == pytest.approx(weight, abs=0.02)


def test_flow_exact_means_that_the_flow_is_on_the_line():
    """Of the second step, by quadrature over both observations."""
    first, second = accuracy_schedule("flow_exact", 10, 1000.0)[:2]
    grid = 2 * math.pi * torch.arange(1000) / 1000
    weight = torch.exp(first * (torch.cos(grid) - 1))[:, None] * torch.exp(second * (torch.cos(grid) - 1))
    sums = (first * torch.exp(1j * grid))[:, None] + second * torch.exp(1j * grid)
    nats = (weight * entropy(sums.abs())).sum() / weight.sum()
    assert nats.item() == pytest.approx(target_entropies(10, 1000.0)[1].item(), abs=4e-4)


def test_universal_schedule():
    accuracies = accuracy_schedule("universal", 1000, 1000.0)
    total = (accuracies * bessel_ratio(accuracies)).cumsum(0)
    known = {1: 0.0077601, 10: 0.0789711, 100: 0.950917, 250: 3.522567, 500: 21.322611, 750: 144.67047, 900: 461.1986}
    for step, value in (known | {1000: 1000.0003}).items():
        assert total[step - 1].item() == pytest.approx(value, rel=1e-6, abs=6e-8)


def test_universal_schedules_of_different_lengths_lie_on_one_curve():
    totals = []
    for num_steps in (10, 50):
        accuracies = accuracy_schedule("universal", num_steps, 1000.0)
        totals.append((accuracies * bessel_ratio(accuracies)).cumsum(0))
    torch.testing.assert_close(totals[0], totals[1][4::5])


def test_universal_schedule_is_linear_in_many_steps():
    accuracies = accuracy_schedule("universal", 400, 1000.0)
    torch.testing.assert_close(expected_entropies(accuracies), target_entropies(400, 1000.0), rtol=0, atol=3e-3)


@pytest.mark.parametrize("num_steps, weight, off", [(10, 995.2, 0.68), (100, 962.8, 1.18), (1000, 759.7, 1.68)])
def test_hand_schedule_is_far_from_linear(num_steps, weight, off):
    accuracies = accuracy_schedule("hand", num_steps, 1000.0)
    assert accuracies.sum().item() == pytest.approx(1000)
    assert (accuracies * bessel_ratio(accuracies)).sum().item() == pytest.approx(weight, abs=0.1)
    surplus = expected_entropies(accuracies) - target_entropies(num_steps, 1000.0)
    assert surplus.max().item() == pytest.approx(off, abs=6e-3)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("final_accuracy", [1.0, 100.0, 1e3, 1e4, 1e5])
@pytest.mark.parametrize("num_steps", [2, 3, 30])
def test_all_schedules_are_finite_and_positive(kind, num_steps, final_accuracy):
    accuracies = accuracy_schedule(kind, num_steps, final_accuracy)
    assert accuracies.shape == (num_steps,) and accuracies.dtype == torch.float64
    assert accuracies.isfinite().all() and (accuracies > 0).all()


@pytest.mark.parametrize("kind", ["official", "universal", "hand"])
@pytest.mark.parametrize("final_accuracy", [100.0, 1e5])
def test_long_schedules_are_finite_and_positive(kind, final_accuracy):
    accuracies = accuracy_schedule(kind, 2000, final_accuracy)
    assert accuracies.isfinite().all() and (accuracies > 0).all()


@pytest.mark.parametrize("kind", ["official", "flow_exact", "hand"])
def test_a_single_step_reaches_the_end_at_once(kind):
    assert accuracy_schedule(kind, 1, 1000.0).item() == pytest.approx(1000)


@pytest.mark.parametrize(
    "arguments", [("offical", 10, 1e3), ("official", 0, 1e3), ("official", 10, 0.5), ("official", 10, math.nan)]
)
def test_mistakes_are_named(arguments):
    with pytest.raises(ValueError, match=r"known are official|num_steps is 0|final_accuracy is"):
        accuracy_schedule(*arguments)
