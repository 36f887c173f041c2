"""Generators that remember: what is kept, and crystals that cannot be made."""

import numpy as np
import pytest
import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition
from sunflow.generators.memory import Memory, UnmadeError, in_cell

SIZES = [2, 3, 2, 5]


class Echo(Memory):
    """Gives train crystals back; has none of one atom, and gives up where a number says so."""

    def make(self, num_atoms, atomic_numbers, elements, random):
        if random.random() < 0.5:
            raise UnmadeError("bad luck")
        return self.train_crystal(self.of_size(num_atoms, random)[0])


@pytest.fixture
def echo(statistics, train_split):
    generator = Echo("generation", statistics)
    generator.remember(train_split(SIZES))
    return generator


def test_it_has_no_parameters_and_no_loss(echo, crystals):
    assert not list(echo.parameters()) and echo.loss(crystals, CrystalNoise([1, 2, 3, 4])) == {}


def test_the_train_crystals_are_kept_as_they_are(echo, train_split):
    kept = train_split(SIZES).to_crystals([""] * 40)
    for place in (0, 11, 39):
        crystal = echo.train_crystal(place)
        for name in ("lattice", "frac_coords", "atomic_numbers"):
            np.testing.assert_array_equal(getattr(crystal, name), getattr(kept[place], name))


def test_crystals_of_a_size_come_in_an_order_that_the_stream_gives(echo):
    first, again, other = (echo.of_size(2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert sorted(first) == [*range(10), *range(20, 30)] and first == again != other
    with pytest.raises(UnmadeError, match="no train crystal has 4 atoms"):
        echo.of_size(4, np.random.default_rng(1))


def test_a_failure_has_a_reason_and_a_row_and_leaves_the_others_alone(echo):
    sizes, seeds = torch.tensor([2, 4, 5] * 8), list(range(24))
    batch = echo.sample(Condition(sizes), seeds)
    made = batch.to_crystals([""] * 24)
    assert len(made) == 24
    luck = {seed for seed in seeds if np.random.default_rng(seed).random() < 0.5}
    for seed, size, crystal in zip(seeds, sizes.tolist(), made, strict=True):
        reason = "bad luck" if seed in luck else "no train crystal has 4 atoms" if size == 4 else ""
        assert (crystal.reason, crystal.status) == (reason, "failed" if reason else "ok")
        assert crystal.num_atoms == (0 if reason else size)
    again = echo.sample(Condition(sizes[3:9]), seeds[3:9])
    assert again.failures == {seed - 3: reason for seed, reason in batch.failures.items() if 3 <= seed < 9}
    assert torch.equal(again.lattice.nan_to_num(), batch.lattice[3:9].nan_to_num())


def test_weights_of_another_number_of_crystals_can_be_loaded(echo, statistics, train_split):
    other = Echo("generation", statistics)
    other.remember(train_split([7]))
    other.load_state_dict(echo.state_dict())
    assert set(other.state_dict()) == {
        f"train_{name}" for name in ("lattice", "frac_coords", "atomic_numbers", "num_atoms")
    }
    assert all(torch.equal(other.state_dict()[name], kept) for name, kept in echo.state_dict().items())


def test_weights_that_lack_something_are_refused(echo, statistics):
    weights = echo.state_dict()
    del weights["train_num_atoms"]
    with pytest.raises(RuntimeError, match="train_num_atoms"):
        Echo("generation", statistics).load_state_dict(weights)


@pytest.mark.parametrize("value", [-1e-9, 0.99999999999, 1.0, -3.25, 0.5])
def test_coordinates_lie_in_the_cell_in_single_precision_too(value):
    batch = CrystalBatch.from_crystals([Crystal("a", 3 * np.eye(3), in_cell(np.full((1, 3), value)), np.array([8]))])
    assert (batch.frac_coords >= 0).all() and (batch.frac_coords < 1).all()
    turn = batch.frac_coords - value
    assert (turn - turn.round()).abs().max() < 1e-6
