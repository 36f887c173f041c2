"""What every generator of the registry must do; a new kind needs an entry in SMALL and nothing else."""

import pytest
import torch

from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.generators.generator import KINDS, Condition, build

SMALL = {
    "crysbfn": {
        "model": {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 8, "num_steps": 8},
        "samplers": ["redraw", "bayes"],
    }
}
SAMPLERS = [(kind, sampler) for kind in KINDS for sampler in SMALL[kind]["samplers"]]
SIZES = torch.tensor([1, 7, 52, 3])
SEEDS = [11, 2**62 + 5, 13, 14]


@pytest.fixture
def make(statistics):
    def make(kind):
        torch.manual_seed(0)
        model = SMALL[kind]["model"]
        schedule = accuracy_schedule("official", model["num_steps"], 1000.0) if "num_steps" in model else None
        return build(kind, model, statistics, schedule)

    return make


def noise(seed=1):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_named_finite_and_fixed_by_its_noise(kind, make, crystals):
    generator = make(kind)
    terms, again, other = (generator.loss(crystals, noise(seed)) for seed in (1, 1, 2))
    assert all(term.shape == () and term.isfinite() and term >= 0 for term in terms.values())
    assert terms == again and terms != other


@pytest.mark.parametrize("kind", KINDS)
def test_loss_leaves_the_global_stream_of_random_numbers_alone(kind, make, crystals):
    generator = make(kind)
    before = torch.get_rng_state()
    generator.loss(crystals, noise())
    generator.sample(Condition(SIZES), SEEDS, SMALL[kind]["samplers"][0])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns_from_every_term_together(kind, make, crystals):
    generator = make(kind)
    sum(generator.loss(crystals, noise()).values()).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind, make, crystals):
    generator = make(kind)
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)

    def mean_loss():
        with torch.no_grad():
            return sum(float(sum(generator.loss(crystals, noise(100 + i)).values())) for i in range(20)) / 20

    before = mean_loss()
    for step in range(60):
        optimizer.zero_grad()
        sum(generator.loss(crystals, noise(1000 + step)).values()).backward()
        optimizer.step()
    assert mean_loss() < 0.8 * before


@pytest.mark.parametrize("kind, sampler", SAMPLERS)
def test_samples_are_crystals(kind, sampler, make, statistics):
    made = make(kind).sample(Condition(SIZES), SEEDS, sampler)
    assert torch.equal(made.num_atoms, SIZES)
    assert made.lattice.shape == (4, 3, 3) and made.lattice.isfinite().all() and not made.lattice.requires_grad
    assert made.frac_coords.shape == (63, 3) and (made.frac_coords >= 0).all() and (made.frac_coords < 1).all()
    assert set(made.atomic_numbers.tolist()) <= set(statistics["atomic_numbers"])
    assert len(made.to_crystals(["a", "b", "c", "d"])) == 4


@pytest.mark.parametrize("kind, sampler", SAMPLERS)
def test_a_crystal_depends_on_its_seed_and_not_on_its_batch(kind, sampler, make):
    generator = make(kind)
    made = generator.sample(Condition(SIZES), SEEDS, sampler)
    for part in ([2], [3, 0], [1, 2, 3]):
        other = generator.sample(Condition(SIZES[part]), [SEEDS[i] for i in part], sampler)
        atoms = [made.crystal_of_atom == i for i in part]
        # Network sums in other orders differ by rounding; positions near the border may turn up on its other side.
        torch.testing.assert_close(other.lattice, made.lattice[part], rtol=1e-3, atol=1e-3)
        apart = other.frac_coords - torch.cat([made.frac_coords[those] for those in atoms])
        assert (apart - apart.round()).abs().max() < 1e-3
        assert torch.equal(other.atomic_numbers, torch.cat([made.atomic_numbers[those] for those in atoms]))
    again = generator.sample(Condition(SIZES), [*SEEDS[:3], 99], sampler)
    assert (again.lattice[3] != made.lattice[3]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_all_that_a_trained_generator_is(kind, make):
    generator, fresh = make(kind), make(kind)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.01)
    fresh.load_state_dict(generator.state_dict())
    sampler = SMALL[kind]["samplers"][0]
    made = [each.sample(Condition(SIZES), SEEDS, sampler) for each in (generator, fresh)]
    torch.testing.assert_close(vars(made[0]), vars(made[1]), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_mistakes_are_named(kind, make, statistics):
    generator = make(kind)
    with pytest.raises(ValueError, match=f"'nonsense' is no sampler of {kind}: known are"):
        generator.sample(Condition(SIZES), SEEDS, "nonsense")
    with pytest.raises(ValueError, match=r"4 crystals are asked for, but 3 seeds given"):
        generator.sample(Condition(SIZES), SEEDS[:3], SMALL[kind]["samplers"][0])
    with pytest.raises(ValueError, match=rf"model.hiden_dim is no hyper-parameter of {kind}"):
        build(kind, {"hiden_dim": 3}, statistics, torch.ones(3))


@pytest.mark.parametrize("name", ["crysbnf", "CrysBFN", "", "zzz"])
def test_an_unknown_kind_is_named_with_its_nearest(name, statistics):
    with pytest.raises(ValueError, match=r"is no kind of generator: known are .*; the nearest name is 'crysbfn'"):
        build(name, {}, statistics, None)
