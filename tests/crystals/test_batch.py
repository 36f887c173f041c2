import numpy as np
import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.crystal import Crystal


def crystal_of(crystal_id, lattice, frac_coords, atomic_numbers, **rest):
    return Crystal(crystal_id, lattice, np.array(frac_coords, dtype=float), np.array(atomic_numbers), **rest)


CRYSTALS = [
    crystal_of("one", np.eye(3) * 3, [[0.25, 0.5, 0.75]], [6]),
    crystal_of("three", np.diag([2.0, 3.0, 4.0]), np.arange(9).reshape(3, 3) / 16, [8, 22, 8]),
    crystal_of("two", np.eye(3) * 5, [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 17]),
]


def test_atoms_lie_one_crystal_after_another():
    batch = CrystalBatch.from_crystals(CRYSTALS)
    assert len(batch) == 3
    assert batch.num_atoms.tolist() == [1, 3, 2]
    assert batch.crystal_of_atom.tolist() == [0, 1, 1, 1, 2, 2]
    assert batch.atomic_numbers.tolist() == [6, 8, 22, 8, 11, 17]
    assert batch.lattice.dtype == batch.frac_coords.dtype == torch.float32


def test_there_and_back():
    names = [crystal.crystal_id for crystal in CRYSTALS]
    for found, crystal in zip(CrystalBatch.from_crystals(CRYSTALS).to_crystals(names), CRYSTALS, strict=True):
        assert found.crystal_id == crystal.crystal_id and found.status == "ok"
        np.testing.assert_array_equal(found.lattice, crystal.lattice)
        np.testing.assert_array_equal(found.frac_coords, crystal.frac_coords)
        np.testing.assert_array_equal(found.atomic_numbers, crystal.atomic_numbers)


def test_to_a_device_moves_every_tensor():
    moved = CrystalBatch.from_crystals(CRYSTALS).to("meta")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 4 and {tensor.device.type for tensor in tensors} == {"meta"}
