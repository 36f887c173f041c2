import math

import pytest
import torch
from tiny_generator import ConstantGenerator, TinyGenerator, crystals, settings

from sunflow.crystals.loader import CrystalLoader
from sunflow.training import trainer as trainer_module
from sunflow.training.trainer import Trainer, TrainingError


def make(generator=None, num=13, seed=0, **changes):
    chosen = settings(**changes)
    train = CrystalLoader(crystals(num), chosen.batch_size, "cpu", shuffle_seed=1)
    val = CrystalLoader(crystals(5), 2, "cpu")
    return Trainer(generator or TinyGenerator(), train, val, chosen, seed)


def run_epochs(trainer, epochs):
    for _ in range(epochs):
        for batch in trainer.remaining_batches():
            trainer.train_on(batch)
        trainer.end_epoch(lambda: None)


def weights(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_the_loss_falls():
    trainer = make(epochs=40, averaging_start=0)
    before = trainer.validate()
    run_epochs(trainer, 40)
    assert trainer.best_validation_loss < 0.5 * before
    losses = [row["train_loss"] for row in trainer.curve.rows]
    assert losses[-1] < 0.6 * losses[0]


def test_validation_has_fixed_noise_and_takes_the_averaged_weights():
    trainer = make(averaging_start=0)
    run_epochs(trainer, 1)
    loss = trainer.validate()
    assert trainer.validate() == loss
    with torch.no_grad():
        for parameter in trainer.generator.parameters():
            parameter.add_(1.0)
    assert trainer.validate() == loss
    with torch.no_grad():
        for parameter in trainer.average.module.parameters():
            parameter.add_(1.0)
    assert trainer.validate() != loss


def test_validation_leaves_the_training_as_it_was():
    trainer, other = make(), make()
    for batch in trainer.remaining_batches():
        trainer.validate()
        trainer.train_on(batch)
    run_epochs(other, 1)
    assert torch.equal(weights(trainer.generator), weights(other.generator))


def test_validation_is_the_mean_over_crystals():
    trainer = make(ConstantGenerator([1.0, 2.0, 6.0]))  # batches of 2, 2 and 1 crystals
    assert trainer.validate() == pytest.approx((2 * 1 + 2 * 2 + 1 * 6) / 5)


def test_the_best_weights_are_kept():
    trainer = make(ConstantGenerator([loss for loss in (3.0, 1.0, 2.0) for _ in range(3)]), validate_every=1, epochs=3)
    kept = []
    for _ in range(3):
        run_epochs(trainer, 1)
        kept.append(trainer.average.module.weight.clone())
    assert (trainer.best_epoch, trainer.best_validation_loss) == (2, 1.0)
    assert torch.equal(trainer.best_weights["weight"], kept[1])
    assert not torch.equal(kept[1], kept[2])


def test_the_learning_rate_falls_on_a_plateau_counted_in_epochs():
    losses = [5.0, 4.0, 4.5, 4.5, 4.5]  # at epochs 2, 4, 6, 8, 10
    trainer = make(
        ConstantGenerator([loss for loss in losses for _ in range(3)]),
        epochs=10,
        learning_rate=1.0,
        plateau_factor=0.5,
        plateau_patience=2,
        min_learning_rate=0.3,
    )
    run_epochs(trainer, 10)
    # The minimum of epoch 4 stands; the third epoch without a new one (7) halves the rate, and so does the next third.
    assert [row["learning_rate"] for row in trainer.curve.rows] == [1.0] * 7 + [0.5] * 3
    assert trainer.descent.optimizer.param_groups[0]["lr"] == 0.3
    assert [row["validation_loss"] for row in trainer.curve.rows] == [None, 5, None, 4, None, 4.5, None, 4.5, None, 4.5]


def test_early_stopping_counts_epochs_since_the_minimum():
    trainer = make(ConstantGenerator([1.0] * 3 + [2.0] * 300), epochs=100, early_stopping=5)
    epochs = 0
    while not trainer.finished:
        run_epochs(trainer, 1)
        epochs += 1
    assert epochs == 8  # minimum at 2, and 7 is no epoch with a validation
    trainer = make(ConstantGenerator([1.0] * 3 + [2.0] * 300), epochs=12)
    run_epochs(trainer, 11)
    assert not trainer.finished
    run_epochs(trainer, 1)
    assert trainer.finished


@pytest.mark.parametrize(("limit", "longest"), [(1e-3, 1e-3), (None, math.inf)])
def test_gradients_are_clipped_by_their_norm(limit, longest, monkeypatch):
    trainer = make(max_gradient_norm=limit)
    norms = []

    def record(step=trainer.descent.optimizer.step):
        norms.append(torch.cat([p.grad.flatten() for p in trainer.generator.parameters()]).norm().item())
        return step()

    monkeypatch.setattr(trainer.descent.optimizer, "step", record)
    run_epochs(trainer, 1)
    assert len(norms) == 4
    assert max(norms) <= longest * 1.0001 and (max(norms) > 0.01 or limit is not None)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_first_batch_with_a_loss_that_is_not_finite_does_as_if_it_had_not_been(poison):
    """Neither the moments nor their bias correction know of it."""
    trainers = [make(averaging_start=0), make(averaging_start=0)]
    first, second, *_ = trainers[0].remaining_batches()
    trainers[0].generator.hook = lambda self, terms: {name: term * poison for name, term in terms.items()}
    trainers[0].train_on(first)
    trainers[0].generator.hook = None
    trainers[1].step = 1
    for trainer in trainers:
        trainer.train_on(second)
    moments = [trainer.descent.optimizer.state_dict()["state"] for trainer in trainers]
    assert str(moments[0]) == str(moments[1])
    assert torch.equal(weights(trainers[0].generator), weights(trainers[1].generator))
    assert torch.equal(weights(trainers[0].average.module), weights(trainers[1].average.module))


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_batch_with_a_loss_that_is_not_finite_changes_nothing(poison, caplog):
    generator = TinyGenerator()
    trainer = make(generator)
    run_epochs(trainer, 1)
    raw, averaged, moments = (
        weights(generator),
        weights(trainer.average.module),
        str(trainer.descent.optimizer.state_dict()),
    )
    generator.hook = lambda self, terms: {name: term * poison for name, term in terms.items()}
    trainer.train_on(next(trainer.remaining_batches()))
    assert torch.equal(weights(generator), raw) and torch.equal(weights(trainer.average.module), averaged)
    assert str(trainer.descent.optimizer.state_dict()) == moments
    assert "step 5 skipped" in caplog.text
    generator.hook = None
    for batch in trainer.remaining_batches():
        trainer.train_on(batch)
    trainer.end_epoch(lambda: None)
    assert not torch.equal(weights(generator), raw)
    assert [row["skipped"] for row in trainer.curve.rows] == [0, 1]
    assert all(math.isfinite(row["train_loss"]) for row in trainer.curve.rows)


def test_a_gradient_that_is_not_finite_is_skipped_though_the_loss_is():
    generator = TinyGenerator()
    trainer = make(generator)

    def hook(self, terms):
        weight = self.network[0].weight[0, 0]
        return {**terms, "root": (weight - weight).sqrt()[None]}  # 0, with an infinite slope

    generator.hook = hook
    before = weights(generator)
    trainer.train_on(next(trainer.remaining_batches()))
    assert torch.equal(weights(generator), before) and trainer.curve.running["skipped"] == 1


@pytest.mark.parametrize("together", [1, 4])
def test_a_training_that_has_diverged_ends_with_advice(together, monkeypatch):
    monkeypatch.setattr(trainer_module, "steps_between_readings", lambda device: together)
    monkeypatch.setattr(trainer_module, "MAX_SKIPPED_IN_A_ROW", 3)
    generator = TinyGenerator()
    generator.hook = lambda self, terms: {n: t * (math.nan if self.calls > 2 else 1) for n, t in terms.items()}
    with pytest.raises(TrainingError, match=r"3 batches in a row, steps 3 to 5, .* Lower training\.learning_rate"):
        run_epochs(make(generator), 5)


def test_seeds_change_the_noise_and_nothing_else_does():
    first, second, other = make(seed=1), make(seed=1), make(seed=2)
    for trainer in (first, second, other):
        torch.manual_seed(id(trainer) % 1000)
        run_epochs(trainer, 1)
    assert torch.equal(weights(first.generator), weights(second.generator))
    assert not torch.equal(weights(first.generator), weights(other.generator))
    assert first.validate() != other.validate()


def test_the_curve_accounts_for_every_crystal():
    trainer = make(epochs=2)
    run_epochs(trainer, 2)
    first, second = trainer.curve.rows
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 4, 2, 8)
    assert first["train_loss"] == pytest.approx(first["frac_coords"] + first["lattice"])
    assert first["validation_loss"] is None and second["validation_loss"] == trainer.validation_loss
