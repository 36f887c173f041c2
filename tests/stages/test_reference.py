import json

import numpy as np
import pytest
from tiny_dataset import crystals

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.stages.command import StageError
from sunflow.stages.reference import reference


def drawn(folder, num_crystals, seed=0, file="test.parquet"):
    reference(
        {"num_crystals": num_crystals, "seed": seed},
        folder / file,
        folder / "samples.parquet",
        folder / "sampling_time.json",
    )
    return read_crystals(folder / "samples.parquet")


@pytest.fixture
def split(tmp_path):
    write_crystals(tmp_path / "test.parquet", [Crystal.failure("bad", "overlap"), *crystals(30)])
    return tmp_path


def test_crystals_are_those_of_the_test_split(split):
    originals = {crystal.crystal_id: crystal for crystal in crystals(30)}
    made = drawn(split, 10)
    names = [crystal.crystal_id for crystal in made]
    assert len(set(names)) == 10 and names == sorted(names)
    for crystal in made:
        original = originals[crystal.crystal_id]
        np.testing.assert_array_equal(crystal.lattice, original.lattice)
        assert crystal.properties == original.properties
    assert json.loads((split / "sampling_time.json").read_text()) == {"network_seconds": None, "num_crystals": 10}


def test_fewer_if_there_are_fewer_and_never_failed_ones(split):
    assert len(drawn(split, 1000)) == 30


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_file(split):
    write_crystals(split / "reversed.parquet", crystals(30)[::-1])
    names = [crystal.crystal_id for crystal in drawn(split, 10)]
    assert [crystal.crystal_id for crystal in drawn(split, 10, file="reversed.parquet")] == names
    assert [crystal.crystal_id for crystal in drawn(split, 10, seed=1)] != names
    assert set(names) < {crystal.crystal_id for crystal in drawn(split, 20)}


def test_every_crystal_has_the_same_chance(split):
    counts = dict.fromkeys((crystal.crystal_id for crystal in crystals(30)), 0)
    for seed in range(90):
        for crystal in drawn(split, 10, seed):
            counts[crystal.crystal_id] += 1
    assert 12 < min(counts.values()) and max(counts.values()) < 48  # 30 expected, sigma 4.5


def test_a_test_split_without_crystals(split):
    write_crystals(split / "test.parquet", [Crystal.failure("bad", "overlap")])
    with pytest.raises(StageError, match=r"test\.parquet holds no crystal whose status is ok"):
        drawn(split, 3)
