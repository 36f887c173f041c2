import math

import pytest
import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.noise import CrystalNoise
from sunflow.flows.torus import to_angles
from sunflow.generators.crysbfn import CrysBFN, build
from sunflow.generators.generator import Condition
from sunflow.networks.cspnet import CSPNetOutput

SMALL = {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 8}


def crysbfn(statistics, num_steps=10, task="generation", **changed):
    torch.manual_seed(0)
    return CrysBFN(task, statistics, accuracy_schedule("official", num_steps, 1000.0), **{**SMALL, **changed})


def noise(seed):
    return CrystalNoise.of_batch(seed, torch.arange(4))


class Oracle(torch.nn.Module):
    """Knows the crystals, whatever the belief; records the times that it is asked at."""

    def __init__(self, generator, crystals):
        super().__init__()
        self.x = generator.encode(crystals)
        self.times = []

    def forward(self, types, angles, signal, lattice, time, graph, target=None):
        self.times.append(time)
        return CSPNetOutput(self.x["frac_coords"] - angles, self.x["lattice"], 60 * self.x["atom_types"])


@pytest.mark.parametrize("num_steps", [1, 2, 30, 510])
@pytest.mark.parametrize("sampler", ["redraw", "bayes"])
def test_an_oracle_is_believed(sampler, num_steps, statistics, crystals):
    generator = crysbfn(statistics, num_steps)
    generator.network = Oracle(generator, crystals)
    made = generator.sample(Condition(crystals.num_atoms), [1, 2, 3, 4], sampler)
    torch.testing.assert_close(made.lattice, crystals.lattice, rtol=1e-5, atol=1e-5)
    apart = made.frac_coords - crystals.frac_coords
    assert (apart - apart.round()).abs().max() < 1e-6
    assert torch.equal(made.atomic_numbers, crystals.atomic_numbers)
    times = torch.stack(generator.network.times)
    torch.testing.assert_close(times, (torch.arange(num_steps) / num_steps)[:, None].expand(-1, 4))


@pytest.mark.parametrize("sampler", ["redraw", "bayes"])
def test_beliefs_sharpen_as_the_flow_says(sampler, statistics):
    """With an oracle until the end, the last belief is as far from the truth as the flow after n − 1 steps."""
    generator = crysbfn(statistics, 40)
    crystals = CrystalBatch(
        4 * torch.eye(3).expand(200, 3, 3), torch.full((400, 3), 0.3), torch.full((400,), 8), torch.full((200,), 2)
    )
    oracle, seen = Oracle(generator, crystals), []

    def forward(types, angles, signal, lattice, time, graph, target=None):
        seen.append((angles, lattice))
        return oracle(types, angles, signal, lattice, time, graph)

    generator.network.forward = forward
    generator.sample(Condition(crystals.num_atoms), list(range(200)), sampler)
    angles, lattice = seen[-1]
    weights = generator.flow._flows["frac_coords"].weights[:-1]
    assert (angles - to_angles(torch.tensor(0.3))).std().item() == pytest.approx(weights.sum().item() ** -0.5, rel=0.1)
    gamma = 1 - 0.001 ** (39 / 40)
    errors = lattice - gamma * torch.eye(3)
    assert errors.std().item() == pytest.approx(math.sqrt(gamma * (1 - gamma)), rel=0.1)


def test_the_network_sees_beliefs_of_the_step_before(statistics, crystals):
    """With one step only, it sees the prior and nothing of the crystals."""
    generator = crysbfn(statistics, num_steps=1)
    original = generator.network.forward

    def forward(types, angles, signal, lattice, time, graph, target=None):
        assert (signal == 0).all() and (lattice == 0).all() and (time == 0).all()
        torch.testing.assert_close(types, torch.full((58, 4), -0.5))
        return original(types, angles, signal, lattice, time, graph)

    generator.network.forward = forward
    generator.loss(crystals, noise(0))


def test_loss_of_the_truth_vanishes(statistics, crystals):
    generator = crysbfn(statistics)
    generator.network = Oracle(generator, crystals)
    terms = generator.loss(crystals, noise(0))
    assert list(terms) == ["lattice", "frac_coords", "atom_types"]
    assert all((term < 1e-6).all() for term in terms.values())


def test_loss_has_the_weights_of_the_paper(statistics, crystals):
    """An estimate that is off by one unit everywhere costs what the weights of all steps are on average."""
    generator = crysbfn(statistics, 50)
    oracle = Oracle(generator, crystals)

    def forward(*inputs):
        exact = oracle(*inputs)
        return CSPNetOutput(exact.displacement + 0.01, exact.lattice + 1, exact.type_logits * 0)

    generator.network.forward = forward
    draws = [generator.loss(crystals, noise(seed)) for seed in range(800)]
    mean = {name: torch.cat([terms[name] for terms in draws]).mean().item() for name in draws[0]}
    assert mean["lattice"] == pytest.approx(499.5, rel=0.1)
    assert mean["frac_coords"] == pytest.approx(996.3 * 1e-4, rel=0.2)
    assert mean["atom_types"] == pytest.approx(4 * 0.5 * 0.49 * 0.75, rel=0.1)


@pytest.mark.parametrize("kind_of_nonsense", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["displacement", "lattice", "type_logits"])
@pytest.mark.parametrize("sampler", ["redraw", "bayes"])
def test_nonsense_marks_its_crystal_and_no_other(sampler, field, kind_of_nonsense, statistics, crystals):
    generator = crysbfn(statistics)
    sound = generator.sample(Condition(crystals.num_atoms), [1, 2, 3, 4], sampler)
    original = generator.network.forward

    def forward(types, angles, signal, lattice, time, graph, target=None):
        output = original(types, angles, signal, lattice, time, graph)
        if time[0] > 0.45:
            getattr(output, field)[0] = kind_of_nonsense
        return output

    generator.network.forward = forward
    made = generator.sample(Condition(crystals.num_atoms), [1, 2, 3, 4], sampler)
    assert not (made.lattice[0].isfinite().all() and made.frac_coords[0].isfinite().all())
    assert made.atomic_numbers[0].item() in statistics["atomic_numbers"]
    torch.testing.assert_close(made.lattice[1:], sound.lattice[1:])
    torch.testing.assert_close(made.frac_coords[1:], sound.frac_coords[1:])
    assert torch.equal(made.atomic_numbers[1:], sound.atomic_numbers[1:])


def test_weights_serve_any_number_of_steps(statistics):
    trained, other = crysbfn(statistics, 100), crysbfn(statistics, 7, lattice_sigma=0.05)
    other.load_state_dict(trained.state_dict())
    made = other.sample(Condition(torch.tensor([3])), [1])
    assert made.lattice.isfinite().all()


def test_a_single_element_and_single_atoms(crystals):
    generator = crysbfn({"atomic_numbers": [6], "num_atoms": {"1": 1}, "lattice_scale": 2.5})
    alone = CrystalBatch(
        crystals.lattice[:2], crystals.frac_coords[:2], torch.full((2,), 6), torch.ones(2, dtype=torch.int64)
    )
    terms = generator.loss(alone, CrystalNoise([1, 2]))
    assert (terms["atom_types"] == 0).all()
    sum(term.mean() for term in terms.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())
    made = generator.sample(Condition(alone.num_atoms), [1, 2])
    assert made.atomic_numbers.tolist() == [6, 6]


def test_the_lattice_is_scaled_to_the_dataset(statistics, crystals):
    generator = crysbfn(statistics)
    torch.testing.assert_close(generator.encode(crystals)["lattice"] * 4, crystals.lattice)
    assert generator.encode(crystals)["atom_types"].argmax(-1)[0] == [8, 12, 26, 94].index(crystals.atomic_numbers[0])


def test_the_defaults_are_the_papers(statistics):
    generator = CrysBFN("generation", {**statistics, "atomic_numbers": list(range(1, 90))}, torch.ones(5))
    assert sum(parameter.numel() for parameter in generator.parameters()) == 12_271_193


def test_the_schedule_must_be_there_and_fit(statistics):
    with pytest.raises(ValueError, match="needs an accuracy schedule"):
        build("generation", {}, statistics, None)
    with pytest.raises(ValueError, match=r"model.num_steps is 100, but the accuracy schedule has 3 steps"):
        build("generation", {"num_steps": 100}, statistics, torch.ones(3))
    names = {"num_steps": 3, "schedule": "official", "final_accuracy": 1000.0}
    assert build("generation", {**SMALL, **names}, statistics, torch.ones(3)).flow.num_steps == 3
