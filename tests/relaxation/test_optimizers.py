import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.optimize import FIRE as FIREOfASE

from sunflow.relaxation.fire import FIRE
from sunflow.relaxation.lbfgs import LBFGS, MIN_RADIUS, STIFFNESS
from sunflow.relaxation.optimizer import Optimizer, Slope, longest_row

CPU = torch.device("cpu")
FORGETFUL = LBFGS(num_remembered=3)
OPTIMIZERS = pytest.mark.parametrize("optimizer", [FIRE(), LBFGS(), FORGETFUL], ids=["fire", "lbfgs", "lbfgs of 3"])


def quadratic(center, softest, stiffest):
    """A valley of these stiffnesses in eV/Å²."""

    def energy(positions):
        stiffness = torch.logspace(np.log10(softest), np.log10(stiffest), positions.numel(), dtype=torch.float64)
        return (stiffness.reshape(positions.shape) * (positions - center) ** 2).sum() / 2

    return energy


def rosenbrock(positions):
    """A bent valley with its minimum where all numbers are 1."""
    x, y, z = positions.T
    return ((1 - x) ** 2 + 10 * (y - x**2) ** 2 + (z - y) ** 2).sum()


ENERGIES = [quadratic(0.3, 0.5, 30.0), rosenbrock, quadratic(-1.0, 5.0, 20.0)]
MINIMA = [0.3, 1.0, -1.0]
NUM_ROWS = [4, 2, 3]


def starts(num_rows=NUM_ROWS, seed=0):
    return [0.5 * torch.tensor(np.random.default_rng(seed + n).normal(size=(n, 3))) for n in num_rows]


def slope_of(energies, positions):
    """Where several crystals stand, each on its own surface."""
    moving = [each.clone().requires_grad_() for each in positions]
    values = torch.stack([energy(each) for energy, each in zip(energies, moving, strict=True)])
    forces = -torch.cat(torch.autograd.grad(values.sum(), moving))
    num_rows = torch.tensor([len(each) for each in positions])
    return Slope(values.detach(), forces, torch.repeat_interleave(torch.arange(len(positions)), num_rows))


class Batch:
    """Crystals on their surfaces."""

    def __init__(self, optimizer, energies, positions):
        self.optimizer, self.energies, self.positions = optimizer, list(energies), list(positions)
        self.memory = optimizer.start(sum(map(len, positions)), len(positions), CPU)

    def advance(self):
        """The step of every crystal."""
        step, self.memory = self.optimizer.step(self.memory, slope_of(self.energies, self.positions))
        steps = step.split([len(each) for each in self.positions])
        self.positions = [each + step for each, step in zip(self.positions, steps, strict=True)]
        return steps

    def leave(self, index):
        stays = torch.arange(len(self.positions)) != index
        rows = torch.repeat_interleave(stays, torch.tensor([len(each) for each in self.positions]))
        self.memory = self.memory.where(rows, stays)
        del self.energies[index], self.positions[index]

    def enter(self, energy, positions):
        self.energies.append(energy)
        self.positions.append(positions)
        self.memory = self.memory.joined(self.optimizer.start(len(positions), 1, CPU))


@OPTIMIZERS
def test_every_crystal_finds_its_minimum(optimizer):
    assert isinstance(optimizer, Optimizer)
    batch = Batch(optimizer, ENERGIES, starts())
    for _ in range(600 if isinstance(optimizer, FIRE) else 100):
        batch.advance()
    for positions, minimum in zip(batch.positions, MINIMA, strict=True):
        np.testing.assert_allclose(positions, minimum, atol=1e-4)


@OPTIMIZERS
def test_crystals_take_the_steps_that_they_take_alone(optimizer):
    together = Batch(optimizer, ENERGIES, starts())
    alone = [Batch(optimizer, [energy], [start]) for energy, start in zip(ENERGIES, starts(), strict=True)]
    for _ in range(30):
        for step, single in zip(together.advance(), alone, strict=True):
            torch.testing.assert_close(step, single.advance()[0], rtol=0, atol=1e-12)


@OPTIMIZERS
def test_those_who_come_and_go_change_nothing_for_the_others(optimizer):
    newcomer = quadratic(0.0, 1.0, 50.0), starts([5])[0]
    stays = Batch(optimizer, ENERGIES[1:2], starts()[1:2])
    comes = Batch(optimizer, newcomer[:1], newcomer[1:])
    batch = Batch(optimizer, ENERGIES, starts())
    for count in range(30):
        if count == 5:
            batch.leave(0)
        if count == 8:
            batch.enter(*newcomer)
        if count == 12:
            batch.leave(1)
        steps = batch.advance()
        torch.testing.assert_close(steps[0 if count >= 5 else 1], stays.advance()[0], rtol=0, atol=1e-12)
        if count >= 8:
            torch.testing.assert_close(steps[-1], comes.advance()[0], rtol=0, atol=1e-12)


@OPTIMIZERS
def test_a_crystal_without_numbers_harms_no_other(optimizer):
    broken = Batch(optimizer, [ENERGIES[0], lambda positions: positions.sum() * torch.nan], starts([4, 2]))
    alone = Batch(optimizer, ENERGIES[:1], starts([4]))
    for _ in range(5):
        torch.testing.assert_close(broken.advance()[0], alone.advance()[0], rtol=0, atol=1e-12)


@OPTIMIZERS
def test_nothing_moves_where_there_are_no_forces(optimizer):
    batch = Batch(optimizer, ENERGIES[:1], [torch.full((4, 3), MINIMA[0], dtype=torch.float64)])
    for _ in range(3):
        assert torch.equal(batch.advance()[0], torch.zeros(4, 3, dtype=torch.float64))


def furiously(positions):
    """Forces of thousands of eV/Å that turn at every step."""
    return 1e3 * torch.sin(20 * positions).sum()


@pytest.mark.parametrize("max_step", [0.2, 0.02])
def test_no_step_of_fire_is_longer_than_allowed(max_step):
    batch = Batch(FIRE(max_step=max_step), [furiously, *ENERGIES], starts([3, *NUM_ROWS]))
    lengths = [step.norm() for _ in range(40) for step in batch.advance()]
    assert max(lengths) == pytest.approx(max_step)


@pytest.mark.parametrize("max_step", [0.2, 0.02])
def test_no_row_of_a_step_of_lbfgs_is_longer_than_allowed(max_step):
    batch = Batch(LBFGS(max_step=max_step), [furiously, *ENERGIES], starts([3, *NUM_ROWS]))
    lengths = [step.norm(dim=1).max() for _ in range(40) for step in batch.advance()]
    assert max(lengths) == pytest.approx(max_step)


def test_a_careful_fire_begins_slowly():
    forces = torch.tensor([[0.3, 0.0, 0.0]], dtype=torch.float64)
    slope = Slope(torch.zeros(1, dtype=torch.float64), forces, torch.zeros(1, dtype=torch.int64))
    step, _ = FIRE(time_step=0.02).step(FIRE(time_step=0.02).start(1, 1, CPU), slope)
    torch.testing.assert_close(step, 0.02**2 * forces)


@pytest.mark.parametrize(("time_step", "max_step"), [(0.1, 0.2), (0.02, 0.02)])
def test_fire_takes_the_steps_of_ase(time_step, max_step):
    positions = 1.3 * np.array([[0, 0, 0], [1, 0.1, 0], [0.2, 1, 0], [0, 0.1, 1.0], [1, 1.2, 0.9]])
    atoms = Atoms("Ar5", positions, calculator=LennardJones(rc=20.0))
    theirs = FIREOfASE(atoms, logfile=None, dt=time_step, maxstep=max_step)
    ours, memory = torch.tensor(positions), FIRE(time_step, max_step).start(5, 1, CPU)
    time_steps = []
    for _ in range(150):
        energy = torch.tensor([atoms.get_potential_energy()], dtype=torch.float64)
        slope = Slope(energy, torch.tensor(atoms.get_forces()), torch.zeros(5, dtype=torch.int64))
        step, memory = FIRE(time_step, max_step).step(memory, slope)
        ours = ours + step
        theirs.step()
        np.testing.assert_allclose(ours, atoms.positions, atol=1e-9)
        time_steps.append(memory.crystals["time_step"].item())
        atoms.positions = ours.numpy()
    assert min(np.diff(time_steps)) < 0 < max(np.diff(time_steps))


def lbfgs_after(num_steps, energies=ENERGIES):
    batch = Batch(LBFGS(), energies, starts())
    for _ in range(num_steps):
        batch.advance()
    return batch, slope_of(batch.energies, batch.positions)


def with_energy_of_first(slope, energy):
    return Slope(torch.cat([energy.reshape(1), slope.energies[1:]]), slope.forces, slope.crystal_of_row)


def test_lbfgs_goes_shorter_and_forgets_after_a_rise():
    batch, slope = lbfgs_after(6)
    before = batch.memory.crystals
    expected, calm = LBFGS().step(batch.memory, slope)
    step, after = LBFGS().step(batch.memory, with_energy_of_first(slope, before["energy"][0] + 0.1))
    assert after.crystals["radius"][0] == before["radius"][0] / 2
    assert (before["weights"][0] != 0).sum() == 5
    assert not after.crystals["weights"][0].any()
    rows = slope.crystal_of_row == 0
    downhill = slope.forces[rows] / STIFFNESS
    torch.testing.assert_close(step[rows], downhill * min(1.0, after.crystals["radius"][0] / longest(downhill)))
    torch.testing.assert_close(step[~rows], expected[~rows], rtol=0, atol=0)
    torch.testing.assert_close(after.crystals["weights"][1:], calm.crystals["weights"][1:])


def longest(rows):
    return rows.norm(dim=1).max().item()


def test_lbfgs_does_not_mind_a_rise_by_rounding():
    batch, slope = lbfgs_after(6)
    _, after = LBFGS().step(batch.memory, with_energy_of_first(slope, batch.memory.crystals["energy"][0] + 1e-8))
    assert after.crystals["weights"][0].count_nonzero() == 6
    assert after.crystals["radius"][0] == pytest.approx(0.2)


def test_the_radius_shrinks_to_a_least_one_and_grows_again():
    batch, slope = lbfgs_after(1)
    memory, radii = batch.memory, []
    for count in range(30):
        energies = slope.energies + (count if count < 10 else -count)
        step, memory = LBFGS().step(memory, Slope(energies, 1e3 * slope.forces, slope.crystal_of_row))
        radii.append(memory.crystals["radius"][0].item())
        torch.testing.assert_close(longest_row(step, slope), memory.crystals["radius"])
    assert radii[1:4] == pytest.approx([0.1, 0.05, 0.025])
    assert radii[9] == MIN_RADIUS
    assert radii[10:12] == pytest.approx([1.2 * MIN_RADIUS, 1.44 * MIN_RADIUS])
    assert radii[-1] == 0.2


def hill(positions):
    return -2.0 * (positions**2).sum()


def test_lbfgs_learns_nothing_on_a_hill_and_still_goes_down():
    batch = Batch(LBFGS(), [hill], starts([3]))
    for _ in range(5):
        slope = slope_of([hill], batch.positions)
        (step,) = batch.advance()
        assert slope.dot(step, slope.forces).item() > 0
    assert not batch.memory.crystals["weights"].any()


def test_lbfgs_knows_a_quadratic_after_as_many_steps_as_it_has_directions():
    batch = Batch(LBFGS(), [quadratic(0.0, 1.0, 100.0)], [0.02 * starts([2])[0]])
    for _ in range(20):
        batch.advance()
    assert longest(batch.positions[0]) < 1e-6


def test_slopes_of_chosen_crystals_are_numbered_anew():
    slope = slope_of(ENERGIES, starts())
    chosen = slope.where(torch.tensor([True, False, True]))
    expected = slope_of([ENERGIES[0], ENERGIES[2]], [starts()[0], starts()[2]])
    torch.testing.assert_close(chosen.energies, expected.energies)
    torch.testing.assert_close(chosen.forces, expected.forces)
    assert chosen.crystal_of_row.tolist() == [0] * 4 + [1] * 3
