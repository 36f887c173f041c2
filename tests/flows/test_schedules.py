import math

import pytest
import torch

from sunflow.flows.accuracy_schedule import accuracy_schedule, expected_entropies, target_concentrations
from sunflow.flows.von_mises import bessel_ratio, entropy


def test_targets_have_their_known_values():
    targets = target_concentrations(20, 1000.0)
    known = {1: 0.952009, 2: 1.478033, 4: 2.702499, 5: 3.627693, 6: 4.995999, 8: 10.113934, 10: 21.307108}
    known |= {12: 45.620087, 14: 98.379943, 15: 144.668682, 16: 212.849622, 18: 461.198072, 20: 1000}
    for step, value in known.items():
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
        (50, 1e3, {1: 0.573520, 2: 0.548423, 3: 0.544893, 5: 0.559425, 12: 0.846406, 25: 3.467671, 49: 123.276515}),
        (100, 1e3, {1: 0.399422, 10: 0.394984, 20: 0.509728, 50: 2.113366, 90: 34.801225, 100: 74.955049}),
        (1000, 1e3, {1: 0.124641, 2: 0.139174, 58: 0.120734, 500: 0.570854, 900: 4.094837, 1000: 8.225030}),
        (100, 1e4, {1: 0.456986, 100: 956.387667}),
        (1000, 1e4, {1: 0.142029, 1000: 100.469791}),
    ],
)
def test_official_schedule_at_single_steps(num_steps, final_accuracy, known):
    accuracies = accuracy_schedule("official", num_steps, final_accuracy)
    for step, value in known.items():
        assert accuracies[step - 1].item() == pytest.approx(value, abs=1.2e-6)


@pytest.mark.parametrize("num_steps, total, weight", [(10, 1002.371, 997.024), (1000, 1375.002, 996.189)])
def test_official_sums(num_steps, total, weight):
    accuracies = accuracy_schedule("official", num_steps, 1000.0)
    assert accuracies.sum().item() == pytest.approx(total, abs=1e-3)
    assert (accuracies * bessel_ratio(accuracies)).sum().item() == pytest.approx(weight, abs=1e-3)


def test_expected_entropies_are_those_of_the_flow():
    """The published schedule keeps the entropy above its line, worst at a quarter of the time."""
    at = expected_entropies(accuracy_schedule("official", 10, 1000.0))[[0, 1, 2, 4, 9]]
    torch.testing.assert_close(
        at, torch.tensor([entropy(torch.tensor(1.478033)), 1.162, 0.775, -0.069, -2.0334]), rtol=0, atol=6e-3
    )
    at = expected_entropies(accuracy_schedule("official", 100, 1000.0))[[9, 24, 49]]
    torch.testing.assert_close(at, torch.tensor([1.516, 1.040, -0.054]), rtol=0, atol=6e-3)


def test_a_single_step_reaches_the_end_at_once():
    assert accuracy_schedule("official", 1, 1000.0).item() == pytest.approx(1000)


@pytest.mark.parametrize(
    "arguments", [("offical", 10, 1e3), ("official", 0, 1e3), ("official", 10, 0.5), ("official", 10, math.nan)]
)
def test_mistakes_are_named(arguments):
    with pytest.raises(ValueError, match=r"known are official|num_steps is 0|final_accuracy is"):
        accuracy_schedule(*arguments)
