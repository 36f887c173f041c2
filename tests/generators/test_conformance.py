"""What every generator must do; a new kind needs an entry in SMALL and nothing else.

Kinds without parameters remember what others learn: they are not asked for what only learning gives.
"""

import pytest
import torch

from sunflow.config import MODELS
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import TASKS, Condition, build

SMALL = {
    "crysbfn": {
        "model": {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 8, "num_steps": 8},
        "samplers": ["redraw", "bayes"],
        "sizes": [1, 7, 52, 3],
        "unused": {"structure_prediction": "network.type_head"},
    },
    "symmbfn": {
        "model": {
            "hidden_dim": 32,
            "num_layers": 2,
            "num_frequencies": 8,
            "embedding_dim": 8,
            "time_dim": 8,
            "num_steps": 8,
        },
        "samplers": ["redraw", "bayes"],
        "sizes": [1, 7, 20, 3],
    },
    "substitution": {"model": {}, "sizes": [2, 6, 24, 12]},  # of whole oxides
    "random": {"model": {}, "sizes": [1, 7, 52, 3]},
}
KINDS_AND_TASKS = [(kind, task) for kind in MODELS for task in MODELS[kind].tasks]
LEARNING = [(kind, task) for kind, task in KINDS_AND_TASKS if "samplers" in SMALL[kind]]
ALL = [(kind, task, sampler) for kind, task in KINDS_AND_TASKS for sampler in SMALL[kind].get("samplers", [""])]
ASYMMETRIC = [kind for kind in MODELS if MODELS[kind].representation == "asymmetric_units"]
GROUPS = torch.tensor([225, 1, 123, 194])
SEEDS = [11, 2**62 + 5, 13, 14]


@pytest.fixture
def fresh(statistics):
    def fresh(kind, task="generation"):
        torch.manual_seed(0)
        model = SMALL[kind]["model"]
        schedule = accuracy_schedule("official", model["num_steps"], 1000.0) if "num_steps" in model else None
        return build(kind, task, model, statistics, schedule)

    return fresh


@pytest.fixture
def make(fresh, train_split, of_kind, request):
    def make(kind, task="generation"):
        generator = fresh(kind, task)
        if kind in ASYMMETRIC:
            generator.remember(of_kind(kind), request.getfixturevalue("space_groups"))
        else:
            generator.remember(train_split(SMALL[kind]["sizes"]))
        return generator

    return make


@pytest.fixture
def of_kind(request):
    """The four crystals as a kind learns them."""
    return lambda kind: request.getfixturevalue("asymmetric_units" if kind in ASYMMETRIC else "crystals")


def condition_of(kind, sizes, part=range(4), **others):
    """A condition without task, for these of the four crystals."""
    return Condition(sizes, space_group=GROUPS[list(part)] if kind in ASYMMETRIC else None, **others)


def noise(seed=1):
    return CrystalNoise.of_batch(seed, torch.arange(4))


def total(terms):
    return torch.stack([rows.mean() for rows in terms.values()]).sum()


def first_sampler(kind):
    return SMALL[kind].get("samplers", [""])[0]


def sizes_of(kind):
    return torch.tensor(SMALL[kind]["sizes"])


def given(kind, task, statistics, part=range(4)):
    """A condition of the task, for these of the four crystals."""
    sizes = sizes_of(kind)[list(part)]
    if task == "generation":
        return condition_of(kind, sizes, part)
    elements = torch.tensor(statistics["atomic_numbers"])
    atoms = [elements[torch.arange(int(size)) % len(elements)] for size in sizes]
    return condition_of(kind, sizes, part, atomic_numbers=torch.cat(atoms))


@pytest.mark.parametrize("kind, task", LEARNING)
def test_loss_is_named_finite_and_fixed_by_its_noise(kind, task, make, of_kind):
    crystals = of_kind(kind)
    generator = make(kind, task)
    terms, again, other = (generator.loss(crystals, noise(seed)) for seed in (1, 1, 2))
    for name, rows in terms.items():
        assert len(rows) in (4, 58, 58 * 15) and rows.isfinite().all() and (rows >= 0).all()
        assert torch.equal(rows, again[name]) and not torch.equal(rows, other[name])


@pytest.mark.parametrize("kind, task", LEARNING)
def test_loss_of_a_crystal_depends_on_its_own_noise_and_not_on_its_batch(kind, task, make, of_kind):
    crystals = of_kind(kind)
    generator = make(kind, task)
    together = generator.loss(crystals, CrystalNoise([5, 6, 7, 8]))
    alone = generator.loss(crystals.part(slice(3, 4), crystals.crystal_of_atom == 3), CrystalNoise([8]))
    for name, rows in alone.items():
        torch.testing.assert_close(rows, together[name][-len(rows) :], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind, task", KINDS_AND_TASKS)
def test_the_global_stream_of_random_numbers_is_left_alone(kind, task, make, of_kind, statistics):
    crystals = of_kind(kind)
    generator = make(kind, task)
    before = torch.get_rng_state()
    generator.loss(crystals, noise())
    generator.sample(given(kind, task, statistics), SEEDS, first_sampler(kind))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind, task", LEARNING)
def test_every_parameter_learns_from_every_term_together(kind, task, make, of_kind):
    crystals = of_kind(kind)
    generator = make(kind, task)
    total(generator.loss(crystals, noise())).backward()
    for name, parameter in generator.named_parameters():
        if not name.startswith(SMALL[kind].get("unused", {}).get(task, "none")):
            assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("kind, task", LEARNING)
def test_training_lowers_the_loss(kind, task, make, of_kind):
    crystals = of_kind(kind)
    generator = make(kind, task)
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)

    def mean_loss():
        with torch.no_grad():
            return sum(float(total(generator.loss(crystals, noise(100 + i)))) for i in range(20)) / 20

    before = mean_loss()
    for step in range(100):
        optimizer.zero_grad()
        total(generator.loss(crystals, noise(1000 + step))).backward()
        optimizer.step()
    assert mean_loss() < 0.8 * before


@pytest.mark.parametrize("kind, task, sampler", ALL)
def test_samples_are_crystals(kind, task, sampler, make, statistics):
    condition = given(kind, task, statistics)
    made = make(kind, task).sample(condition, SEEDS, sampler)
    assert len(made) == 4 and not made.failures
    assert torch.equal(made.num_atoms, sizes_of(kind)) or kind in ASYMMETRIC
    assert made.lattice.shape == (4, 3, 3) and made.lattice.isfinite().all() and not made.lattice.requires_grad
    assert made.frac_coords.shape == (int(made.num_atoms.sum()), 3)
    assert (made.frac_coords >= 0).all() and (made.frac_coords < 1).all()
    assert set(made.atomic_numbers.tolist()) <= set(statistics["atomic_numbers"])
    if condition.atomic_numbers is not None:
        assert torch.equal(made.atomic_numbers, condition.atomic_numbers)
    assert len(made.to_crystals(["a", "b", "c", "d"])) == 4


@pytest.mark.parametrize("kind, task, sampler", ALL)
def test_a_crystal_depends_on_its_seed_and_not_on_its_batch(kind, task, sampler, make, statistics):
    generator = make(kind, task)
    made = generator.sample(given(kind, task, statistics), SEEDS, sampler)
    for part in ([2], [3, 0], [1, 2, 3]):
        other = generator.sample(given(kind, task, statistics, part), [SEEDS[i] for i in part], sampler)
        atoms = [made.crystal_of_atom == i for i in part]
        # Network sums in other orders differ by rounding; positions near the border may turn up on its other side.
        torch.testing.assert_close(other.lattice, made.lattice[part], rtol=1e-3, atol=1e-3)
        apart = other.frac_coords - torch.cat([made.frac_coords[those] for those in atoms])
        assert (apart - apart.round()).abs().max() < 1e-3
        assert torch.equal(other.atomic_numbers, torch.cat([made.atomic_numbers[those] for those in atoms]))
    again = generator.sample(given(kind, task, statistics), [*SEEDS[:3], 99], sampler)
    assert not torch.equal(again.lattice[3], made.lattice[3])


@pytest.mark.parametrize("kind, task, sampler", ALL)
def test_the_trajectory_ends_with_the_sample(kind, task, sampler, make, statistics):
    generator, condition = make(kind, task), given(kind, task, statistics)
    stations = list(generator.trajectory(condition, SEEDS, sampler))
    assert len(stations) == SMALL[kind]["model"].get("num_steps", 1)
    assert kind in ASYMMETRIC or all(torch.equal(station.num_atoms, sizes_of(kind)) for station in stations)
    torch.testing.assert_close(vars(stations[-1]), vars(generator.sample(condition, SEEDS, sampler)), rtol=0, atol=0)


@pytest.mark.parametrize("kind, sampler", sorted({(kind, sampler) for kind, _, sampler in ALL}))
def test_only_the_elements_that_are_allowed_appear(kind, sampler, make):
    made = make(kind).sample(condition_of(kind, sizes_of(kind), elements=torch.tensor([26, 8])), SEEDS, sampler)
    assert set(made.atomic_numbers.tolist()) == {8, 26}


@pytest.mark.parametrize("kind, task", KINDS_AND_TASKS)
def test_weights_are_all_that_a_trained_generator_is(kind, task, make, fresh, statistics):
    generator, other = make(kind, task), fresh(kind, task)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.01)
    other.load_state_dict(generator.state_dict())
    sampler = first_sampler(kind)
    made = [each.sample(given(kind, task, statistics), SEEDS, sampler) for each in (generator, other)]
    torch.testing.assert_close(vars(made[0]), vars(made[1]), rtol=0, atol=0)


@pytest.mark.parametrize("kind, task, sampler", ALL)
def test_prepared_for_sampling_it_makes_the_same_crystals(kind, task, sampler, make, statistics):
    generator, condition = make(kind, task), given(kind, task, statistics)
    made = generator.sample(condition, SEEDS, sampler)
    generator.prepare_sampling()
    again = generator.sample(condition, SEEDS, sampler)
    torch.testing.assert_close(again.lattice, made.lattice, rtol=1e-3, atol=1e-3)
    apart = again.frac_coords - made.frac_coords
    assert (apart - apart.round()).abs().max() < 1e-3
    assert torch.equal(again.atomic_numbers, made.atomic_numbers)


@pytest.mark.parametrize("kind, task", KINDS_AND_TASKS)
def test_mistakes_are_named(kind, task, make, statistics):
    generator, condition, sampler = make(kind, task), given(kind, task, statistics), first_sampler(kind)
    if (kind, task) in LEARNING:
        with pytest.raises(ValueError, match=f"'nonsense' is no sampler of {kind}: known are"):
            generator.sample(condition, SEEDS, "nonsense")
    with pytest.raises(ValueError, match=r"4 crystals are asked for, but 3 seeds given"):
        generator.sample(condition, SEEDS[:3], sampler)
    other = next(name for name in TASKS if name != task)
    with pytest.raises(ValueError, match=rf"trained for {task} is given {TASKS[task]}, but here"):
        generator.sample(given(kind, other, statistics), SEEDS, sampler)
    with pytest.raises(ValueError, match=rf"model.hiden_dim is no hyper-parameter of {kind}"):
        build(kind, task, {"hiden_dim": 3}, statistics, torch.ones(3))
    sizes = sizes_of(kind)
    for wrong in ({"elements": torch.tensor([79])}, {"atomic_numbers": torch.full((int(sizes.sum()),), 79)}):
        with pytest.raises(ValueError, match=r"no atoms of atomic numbers \[79\]|is given"):
            generator.sample(condition_of(kind, sizes, **wrong), SEEDS, sampler)


@pytest.mark.parametrize("kind", MODELS)
def test_tasks_that_a_kind_does_not_know_are_refused(kind, fresh):
    for task in TASKS:
        if task not in MODELS[kind].tasks:
            with pytest.raises(ValueError, match=f"{kind} knows the task generation, not {task}"):
                fresh(kind, task)


@pytest.mark.parametrize("name", ["crysbnf", "CrysBFN", "", "zzz", "os.path"])
def test_an_unknown_kind_is_named_with_its_nearest(name, statistics):
    nearest = "'crysbfn'" if name.lower().startswith("crys") else ""
    with pytest.raises(ValueError, match=f"'{name}' is no kind of generator.*; the nearest is {nearest}"):
        build(name, "generation", {}, statistics, None)


def test_an_unknown_task_is_named_with_its_nearest(statistics):
    with pytest.raises(ValueError, match=r"is no task of a generator: .*; the nearest is 'structure_prediction'"):
        build("crysbfn", "structure-prediction", {}, statistics, None)
