import pytest
import torch

from sunflow.crystals.ragged import members, starts


@pytest.mark.parametrize("sizes", [[2, 0, 3, 1], [0, 0], [], [5]])
def test_members_are_numbered_group_by_group(sizes):
    group, place = members(torch.tensor(sizes, dtype=torch.int64))
    expected = [(index, number) for index, size in enumerate(sizes) for number in range(size)]
    assert list(zip(group.tolist(), place.tolist(), strict=True)) == expected
    assert starts(torch.tensor(sizes, dtype=torch.int64)).tolist() == [sum(sizes[:i]) for i in range(len(sizes))]
