"""What the paper and its code disagree about, and the paper's ablations: choices of one class."""

import math

import pytest
import torch

from sunflow.flows.accuracy_schedule import SCHEDULES, accuracy_schedule
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.coordinates import COORDINATES
from sunflow.generators.crysbfn import CrysBFN
from sunflow.generators.generator import Condition
from sunflow.networks.cspnet import CSPNetOutput

SMALL = {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 8}
CHOICES = [
    {"coordinates": "euclidean"},
    {"flow_simulation": "iterated"},
    {"coordinate_loss": "kl"},
    {"type_loss": "discrete"},
    {"entropy_conditioning": False},
    {"time_conditioning": False},
    {"entropy_conditioning": False, "time_conditioning": False},
]
IDS = ["-".join(f"{name}={value}" for name, value in choice.items()) for choice in CHOICES]


def crysbfn(statistics, task="generation", schedule="universal", num_steps=20, **choice):
    torch.manual_seed(0)
    return CrysBFN(task, statistics, accuracy_schedule(schedule, num_steps, 1000.0), **SMALL, **choice)


def noise(seed):
    return CrystalNoise.of_batch(seed, torch.arange(4))


def given(crystals, task):
    return Condition(crystals.num_atoms, crystals.atomic_numbers if task == "structure_prediction" else None)


class Oracle(torch.nn.Module):
    """Knows the crystals; remembers what it was told."""

    def __init__(self, generator, crystals):
        super().__init__()
        self.x = generator.encode(crystals)
        self.angles = 2 * math.pi * (crystals.frac_coords - 0.5)
        self.told = []

    def forward(self, types, angles, signal, lattice, time, graph, target=None):
        self.told.append((types, angles, signal, lattice, time))
        return CSPNetOutput(self.angles - angles, self.x["lattice"], 60 * self.x["atom_types"])


@pytest.mark.parametrize("task", ["generation", "structure_prediction"])
@pytest.mark.parametrize("sampler", ["redraw", "bayes"])
@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
def test_an_oracle_is_believed(choice, sampler, task, statistics, crystals):
    generator = crysbfn(statistics, task, **choice)
    generator.network = Oracle(generator, crystals)
    made = generator.sample(given(crystals, task), [1, 2, 3, 4], sampler)
    torch.testing.assert_close(made.lattice, crystals.lattice, rtol=1e-5, atol=1e-5)
    apart = made.frac_coords - crystals.frac_coords
    assert (apart - apart.round()).abs().max() < 1e-6
    assert torch.equal(made.atomic_numbers, crystals.atomic_numbers)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_leads_an_oracle_to_the_truth(schedule, statistics, crystals):
    generator = crysbfn(statistics, schedule=schedule)
    generator.network = Oracle(generator, crystals)
    made = generator.sample(given(crystals, "generation"), [1, 2, 3, 4])
    assert torch.equal(made.atomic_numbers, crystals.atomic_numbers)


@pytest.mark.parametrize("task", ["generation", "structure_prediction"])
@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
def test_gradients_are_finite_and_the_truth_costs_nothing(choice, task, statistics, crystals):
    generator = crysbfn(statistics, task, **choice)
    torch.stack([rows.mean() for rows in generator.loss(crystals, noise(0)).values()]).sum().backward()
    gradients = [parameter.grad for parameter in generator.parameters() if parameter.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    generator.network = Oracle(generator, crystals)
    terms = generator.loss(crystals, noise(0))
    assert ("atom_types" in terms) == (task == "generation")
    assert all((rows < 1e-6).all() for rows in terms.values())


def test_the_network_is_told_what_it_shall_be_told(statistics, crystals):
    everything = {"entropy_conditioning": True, "time_conditioning": True}
    for withheld, place in (("entropy_conditioning", 2), ("time_conditioning", 4)):
        for choice in (everything, {**everything, withheld: False}):
            generator = crysbfn(statistics, **choice)
            generator.network = Oracle(generator, crystals)
            generator.loss(crystals, noise(3))
            assert (generator.network.told[0][place] == 0).all() != choice[withheld]


def test_in_structure_prediction_the_network_sees_the_true_types(statistics, crystals):
    generator = crysbfn(statistics, "structure_prediction")
    generator.network = Oracle(generator, crystals)
    generator.loss(crystals, noise(0))
    generator.sample(given(crystals, "structure_prediction"), [1, 2, 3, 4])
    for types, *_ in generator.network.told:
        assert torch.equal(types, 2 * generator.encode(crystals)["atom_types"] - 1)


@pytest.mark.parametrize("name", COORDINATES)
def test_coordinates_there_and_back(name):
    frac_coords = torch.rand(1000, 3, generator=torch.Generator().manual_seed(0))
    frac_coords[:4] = torch.tensor([0.0, 0.5, 1 - 2**-24])
    coordinates = COORDINATES[name]
    back = coordinates.decode(coordinates.encode(frac_coords))
    apart = back - frac_coords
    assert (apart - apart.round()).abs().max() < 1e-6 and (back >= 0).all() and (back < 1).all()


def test_without_a_torus_the_border_is_far_away(statistics, crystals):
    """An estimate beyond the border costs as much as its distance, and is wrapped at the very end only."""
    cost = {}
    for name, coordinates in COORDINATES.items():
        flow = coordinates.flow(accuracy_schedule("universal", 10, 1000.0), loss="wrapped_mse", simulation="direct")
        origin, near, far = (coordinates.encode(torch.full((1, 3), value)) for value in (0.0, 0.02, 0.98))
        cost[name] = [flow.loss(origin, x, torch.tensor([5]), torch.randn).item() for x in (near, far)]
    assert cost["torus"][1] == pytest.approx(cost["torus"][0], rel=1e-4)
    assert cost["euclidean"][1] == pytest.approx(49**2 * cost["euclidean"][0], rel=1e-4)


def test_weights_serve_both_tasks_and_any_schedule(statistics):
    generation, prediction = crysbfn(statistics), crysbfn(statistics, "structure_prediction", "official", 7)
    prediction.load_state_dict(generation.state_dict())
