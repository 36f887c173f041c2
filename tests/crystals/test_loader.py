import numpy as np
import pytest
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.loader import CrystalLoader


def crystals():
    return [
        Crystal(
            f"{index}",
            np.eye(3) * (index + 1),
            np.full((1 + index % 3, 3), index / 10),
            np.full(1 + index % 3, index + 1),
        )
        for index in range(10)
    ]


def names(loader, epoch, first=0):
    return [(share.crystals.lattice[:, 0, 0] - 1).int().tolist() for share in loader.epoch(epoch, first)]


def test_every_crystal_once_with_its_own_atoms():
    loader = CrystalLoader(crystals(), 4, "cpu", shuffle_seed=5)
    seen = []
    for share in loader.epoch(1):
        batch = share.crystals
        own = batch.lattice[:, 0, 0].long()
        assert torch.equal(batch.num_atoms, 1 + (own - 1) % 3)
        assert torch.equal(batch.atomic_numbers, own[batch.crystal_of_atom])
        assert torch.allclose(batch.frac_coords[:, 2], (own[batch.crystal_of_atom] - 1) / 10)
        seen += own.tolist()
    assert sorted(seen) == list(range(1, 11)) and len(loader) == 3


def test_order_depends_on_seed_and_epoch_alone():
    loader, again = (CrystalLoader(crystals(), 4, "cpu", shuffle_seed=5) for _ in range(2))
    names(again, 1)
    assert names(loader, 2) == names(again, 2)
    assert names(loader, 2) != names(loader, 3)
    assert names(loader, 2) != names(CrystalLoader(crystals(), 4, "cpu", shuffle_seed=6), 2)


def test_an_epoch_continues_at_a_batch():
    loader = CrystalLoader(crystals(), 4, "cpu", shuffle_seed=5)
    assert names(loader, 7, first=1) == names(loader, 7)[1:]
    assert names(loader, 7, first=3) == []


def test_without_a_seed_the_order_is_the_file_s():
    assert names(CrystalLoader(crystals(), 4, "cpu"), 0) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_nothing_to_load():
    with pytest.raises(ValueError, match="no crystal"):
        CrystalLoader([], 4, "cpu")


@pytest.mark.parametrize("num_processes", [1, 2, 3, 7])
def test_processes_share_every_batch_equally(num_processes):
    """Batches of 6 · processes crystals at most, in the order that one process would have, whatever is left over."""
    made = [Crystal(f"{i}", np.eye(3) * (i + 1), np.zeros((1 + i % 3, 3)), np.ones(1 + i % 3, int)) for i in range(44)]
    whole = CrystalLoader(made, 6 * num_processes, "cpu", shuffle_seed=5)
    loaders = [CrystalLoader(made, 6, "cpu", 5, rank, num_processes) for rank in range(num_processes)]
    assert {len(loader) for loader in loaders} == {len(whole)}
    for batch, *shares in zip(whole.epoch(3), *(loader.epoch(3) for loader in loaders), strict=True):
        counted = [share for share in shares if share.weight]
        for name in ("lattice", "frac_coords", "atomic_numbers", "num_atoms"):
            together = torch.cat([getattr(share.crystals, name) for share in counted])
            assert torch.equal(together, getattr(batch.crystals, name)), name
        assert torch.equal(torch.cat([share.places for share in counted]), batch.places)
        sizes = [int(share.weight) * len(share.crystals) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert {share.batch_size for share in shares} == {len(batch.crystals)}
        assert all(len(share.crystals) > 0 for share in shares)
