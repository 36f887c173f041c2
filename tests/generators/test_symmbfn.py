import math

import pytest
import torch
from spglib import get_symmetry_dataset

from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.lattice_coefficients import free_coefficients
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition
from sunflow.generators.precedents import Precedents
from sunflow.generators.symmbfn import SymmBFN, build
from sunflow.networks.asymmetric_unit_net import AsymmetricUnitOutput

SMALL = {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "embedding_dim": 8, "time_dim": 8}
SEEDS = [1, 2, 3, 4]
#: What every symmetry logit is when the oracle is sure.
SURE = 60.0


@pytest.fixture
def symmbfn(statistics, space_groups, asymmetric_units):
    def symmbfn(num_steps=10, **changed):
        torch.manual_seed(0)
        schedule = accuracy_schedule("universal", num_steps, 1000.0)
        generator = SymmBFN("generation", statistics, schedule, **{**SMALL, **changed})
        generator.remember(asymmetric_units, space_groups)
        return generator

    return symmbfn


@pytest.fixture
def units(asymmetric_units, space_groups):
    """The asymmetric units with atoms where their Wyckoff positions have them, each fixed position taken once."""
    units = asymmetric_units
    groups = units.space_group[units.crystal_of_atom]
    place = torch.cat([torch.arange(int(n)) for n in units.num_atoms])
    units.wyckoff.copy_(torch.where(groups == 1, 0, space_groups.num_positions(groups) - 1 - place))
    units.frac_coords.copy_(
        (torch.tensor([0.07, 0.18, 0.37]) + torch.tensor([0.04, 0.057, 0.083]) * place[:, None]) % 1
    )
    return units


class Oracle(torch.nn.Module):
    """Knows the asymmetric units, whatever the belief."""

    def __init__(self, generator, units):
        super().__init__()
        self.generator, self.x, self.groups = generator, generator.encode(units), units.space_group
        self.belief = None

    def forward(self, types, symmetries, angles, signal, lattice, time, space_group, graph, target=None):
        assert torch.equal(space_group, self.groups)
        belief = self.belief["frac_coords"]
        x = self.x["frac_coords"]
        coordinates = noise_in(belief, x) if hasattr(belief, "precision") else x - angles
        symmetry_logits = SURE * self.x["site_symmetries"].unflatten(0, (-1, 15))
        noise = noise_in(self.belief["lattice"], self.x["lattice"])
        return AsymmetricUnitOutput(noise, coordinates, SURE * self.x["atom_types"], symmetry_logits)


def noise_in(belief, x):
    gamma = (1 - 1 / belief.precision)[:, None]
    return (belief.mean - gamma * x) / torch.sqrt(gamma * (1 - gamma)).clamp(min=1e-9)


def with_oracle(generator, units):
    oracle = Oracle(generator, units)
    estimate = generator.estimate

    def remembering(belief, time, given):
        oracle.belief = belief
        return estimate(belief, time, given)

    generator.estimate, generator.network = remembering, oracle
    return generator


@pytest.mark.parametrize("coordinates", ["torus", "euclidean"])
@pytest.mark.parametrize("sampler", ["redraw", "bayes"])
def test_an_oracle_is_believed(sampler, coordinates, symmbfn, units, space_groups):
    generator = with_oracle(symmbfn(30, coordinates=coordinates), units)
    made = generator.sample(Condition(units.num_atoms, space_group=units.space_group), SEEDS, sampler)
    unit = {name: getattr(units, name) for name in ("space_group", "lattice", "frac_coords", "wyckoff")}
    exact = full_cell(
        space_groups, **unit, atomic_numbers=units.atomic_numbers, num_atoms=units.num_atoms, max_atoms=9999
    )
    assert not made.failures and torch.equal(made.num_atoms, exact.num_atoms)
    assert torch.equal(made.atomic_numbers, exact.atomic_numbers)
    torch.testing.assert_close(made.lattice, exact.lattice, rtol=1e-3, atol=1e-3)
    assert not made.properties["moved_atoms"].any()


@pytest.mark.parametrize("coordinates", ["torus", "euclidean"])
def test_loss_of_the_truth_vanishes(coordinates, symmbfn, units):
    generator = with_oracle(symmbfn(coordinates=coordinates), units)
    terms = generator.loss(units, CrystalNoise(SEEDS))
    assert list(terms) == ["lattice", "frac_coords", "atom_types", "site_symmetries"]
    of_step_one = CrystalNoise(SEEDS).steps(10) == 1
    for name in ("atom_types", "site_symmetries"):
        assert (terms[name] < 1e-6).all()
    assert (terms["lattice"][~of_step_one] < 1e-3).all()
    assert (terms["frac_coords"][~of_step_one[units.crystal_of_atom]] < 1e-6).all()


def test_loss_of_a_lattice_is_the_mean_over_its_free_coefficients(symmbfn, units):
    """Before any observation the estimate is 0, so that the loss is the weight times the mean square of x."""
    generator = symmbfn(num_steps=1, lattice_weight=2.0)
    x = generator.encode(units)["lattice"]
    terms = generator.loss(units, CrystalNoise(SEEDS))
    free = free_coefficients(units.space_group)
    assert free.sum(1).tolist() == [1, 6, 2, 2] and (x[~free] == 0).all()
    weight = 2.0 * generator.flow._flows["lattice"].accuracy[0] / 2
    torch.testing.assert_close(terms["lattice"], weight * x.square().sum(1) / free.sum(1))


def test_what_a_space_group_fixes_is_neither_seen_nor_changed(symmbfn, units):
    generator = symmbfn()
    seen = []
    forward = generator.network.forward

    def looking(types, symmetries, angles, signal, lattice, *others):
        seen.append(lattice)
        return forward(types, symmetries, angles, signal, lattice, *others)

    generator.network.forward = looking
    made = generator.sample(Condition(units.num_atoms[[0, 3]], space_group=torch.tensor([225, 194])), [1, 2], "bayes")
    free = free_coefficients(torch.tensor([225, 194]))
    assert all((lattice[~free] == 0).all() for lattice in seen) and len(seen) == 10
    lengths = made.lattice.norm(dim=-1)
    torch.testing.assert_close(lengths[0], lengths[0, :1].expand(3))


def test_crystals_have_the_symmetry_that_they_are_asked_for(symmbfn):
    groups = torch.tensor([225, 194, 62, 14, 166, 139, 2, 216])
    made = symmbfn().sample(Condition(torch.full((8,), 3), space_group=groups), list(range(8)), "bayes")
    for index, crystal in enumerate(made.to_crystals([str(group) for group in groups.tolist()])):
        if crystal.status == "ok":
            cell = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
            found = get_symmetry_dataset(cell, symprec=1e-3)
            order = {225: 48, 194: 24, 62: 8, 14: 4, 166: 12, 139: 16, 2: 2, 216: 24}[int(groups[index])]
            assert len(found.rotations) % order == 0, crystal.crystal_id
    assert len(made.failures) < 4


@pytest.mark.parametrize("field", AsymmetricUnitOutput._fields)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nonsense_is_a_failure_with_a_reason_and_of_no_other_crystal(field, value, symmbfn, units):
    generator = symmbfn()
    condition = Condition(units.num_atoms, space_group=units.space_group)
    sound = generator.sample(condition, SEEDS, "bayes").to_crystals(list("abcd"))
    forward = generator.network.forward

    def broken(*inputs):
        output = forward(*inputs)
        getattr(output, field)[0] = value
        return output

    generator.network.forward = broken
    first, *others = generator.sample(condition, SEEDS, "bayes").to_crystals(list("abcd"))
    assert first.status == "failed" and first.reason
    for crystal, before in zip(others, sound[1:], strict=True):
        assert crystal.status == before.status and crystal.num_atoms == before.num_atoms


def test_what_is_too_large_is_a_failure(symmbfn, units):
    generator = symmbfn()
    generator.max_atoms = 40
    made = generator.sample(Condition(units.num_atoms, space_group=units.space_group), SEEDS, "bayes")
    assert "more than 40 atoms" in made.failures[1] and len(made) == 4
    generator.coefficient_mean = generator.coefficient_mean + 4
    made = generator.sample(Condition(units.num_atoms, space_group=units.space_group), SEEDS, "bayes")
    assert set(made.failures) == {0, 1, 2, 3}


def test_space_groups_and_sizes_are_those_of_the_train_split(symmbfn, units):
    generator = symmbfn(property="band_gap")
    pairs = set(zip(units.space_group.tolist(), units.num_atoms.tolist(), strict=True))
    assert set(generator.precedents.draw(range(200), 1, None, None)) == pairs
    assert (194, 2) in generator.precedents.draw(range(50), 1, None, 3.0)
    other = symmbfn(property="band_gap")
    other.precedents.load_state_dict(Precedents().state_dict())
    other.load_state_dict(generator.state_dict())
    assert other.precedents.draw(range(20), 1, None, None) == generator.precedents.draw(range(20), 1, None, None)


def test_asymmetric_units_and_space_groups_are_asked_for(symmbfn, statistics):
    with pytest.raises(ValueError, match="is given no space groups"):
        symmbfn().sample(Condition(torch.tensor([2])), [1])
    with pytest.raises(ValueError, match=r"trained without model\.property"):
        symmbfn().sample(Condition(torch.tensor([2]), space_group=torch.tensor([1]), target=torch.tensor([1.0])), [1])
    whole = {name: value for name, value in statistics.items() if name != "lattice_coefficients"}
    with pytest.raises(ValueError, match="learns asymmetric units, and the train split holds none"):
        build("generation", {}, whole, accuracy_schedule("universal", 3, 1000.0))
