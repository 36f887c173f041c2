"""What a GPU would have to be waited for cannot be done with fake tensors, which have a shape and no values."""

from dataclasses import replace

import pytest
import torch
from tiny_generator import TinyGenerator, crystals, settings
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from sunflow.crystals.loader import CrystalLoader
from sunflow.crystals.statistics import dataset_statistics
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.generators.generator import build
from sunflow.training.records import StepRecords
from sunflow.training.trainer import Trainer


class NeverDue(StepRecords):
    due = False


def crysbfn():
    statistics = dataset_statistics(crystals())
    model = {"hidden_dim": 16, "num_layers": 2, "num_frequencies": 4, "time_dim": 8}
    return build("crysbfn", "generation", model, statistics, accuracy_schedule("universal", 5, 1000.0))


def faked(generator, mode):
    """The generator with weights and buffers that have no values."""
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        return generator._apply(mode.from_tensor)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


@pytest.mark.parametrize("max_gradient_norm", [None, 0.1])
@pytest.mark.parametrize("make", [TinyGenerator, crysbfn])
def test_a_step_waits_for_nothing_but_its_reading(make, max_gradient_norm):
    chosen = settings(max_gradient_norm=max_gradient_norm, averaging_start=1)
    train = CrystalLoader(crystals(), chosen.batch_size, "cpu", shuffle_seed=1)
    shares, generator = list(train.epoch(1)), make()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        trainer = Trainer(faked(generator, mode), train, train, chosen, seed=0)
        trainer.records = NeverDue(most=16)
        for share in shares[:-1]:
            fake = mode.from_tensor
            trainer.train_on(replace(share, crystals=share.crystals.map(fake), places=fake(share.places)))
        with pytest.raises(DataDependentOutputException):
            trainer.read_records()
