import numpy as np
import pyarrow.parquet as pq
import pytest

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, read_metadata, write_crystals


def crystal_of(crystal_id, lattice, frac_coords, atomic_numbers, **rest):
    return Crystal(crystal_id, lattice, np.array(frac_coords, dtype=float), np.array(atomic_numbers), **rest)


CRYSTALS = [
    crystal_of("b", np.eye(3) / 3, [[0.1, 0.2, 0.3]], [26], properties={"band_gap": 0.1, "formula": "NaN"}),
    Crystal.failure("a", "too many atoms: 30"),
    crystal_of("NaN", np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 7], properties={"band_gap": None, "unique": True}),
]


def test_every_row_comes_back_in_order_and_exactly(tmp_path):
    path = tmp_path / "new" / "crystals.parquet"
    write_crystals(path, CRYSTALS)
    found = read_crystals(path)
    assert [crystal.crystal_id for crystal in found] == ["b", "a", "NaN"]
    for crystal, expected in zip(found, CRYSTALS, strict=True):
        np.testing.assert_array_equal(crystal.lattice, expected.lattice)
        np.testing.assert_array_equal(crystal.frac_coords, expected.frac_coords)
        np.testing.assert_array_equal(crystal.atomic_numbers, expected.atomic_numbers)
        assert (crystal.status, crystal.reason) == (expected.status, expected.reason)
        assert {name: value for name, value in crystal.properties.items() if value is not None} == {
            name: value for name, value in expected.properties.items() if value is not None
        }


def test_metadata(tmp_path):
    path = tmp_path / "crystals.parquet"
    write_crystals(path, CRYSTALS, {"potential": "chgnet-0.3.0"})
    assert read_metadata(path) == {"potential": "chgnet-0.3.0"}
    write_crystals(path, CRYSTALS)
    assert read_metadata(path) == {}


def test_no_crystals_are_a_file_too(tmp_path):
    path = tmp_path / "none.parquet"
    write_crystals(path, [])
    assert read_crystals(path) == []
    assert "atomic_numbers" in pq.read_schema(path).names


def test_two_of_one_name_are_refused(tmp_path):
    path = tmp_path / "crystals.parquet"
    with pytest.raises(ValueError, match="'a' occurs more than once"):
        write_crystals(path, [*CRYSTALS, CRYSTALS[1]])
    assert not path.exists()
