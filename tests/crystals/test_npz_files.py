"""Archives of arrays, whole and broken."""

import zipfile

import numpy as np
import pytest

from sunflow.crystals.inputs import read_inputs

SALT = {
    "num_atoms": np.array([2, 1]),
    "atom_types": np.array([11, 17, 29]),
    "frac_coords": np.array([[0, 0, 0], [0.5, -0.5, 1.25], [0, 0, 0]]),
    "lengths": np.array([[4.0, 5.0, 6.0], [2.5, 2.5, 2.5]]),
    "angles": np.array([[90.0, 100.0, 90.0], [60.0, 60.0, 60.0]]),
}


def written(path, **changed):
    np.savez(path / "a.npz", **SALT | changed)
    return path / "a.npz"


def test_crystals_of_the_arrays(tmp_path):
    salt, copper = read_inputs(written(tmp_path))
    assert [salt.crystal_id, copper.crystal_id] == ["000000", "000001"]
    assert salt.atomic_numbers.tolist() == [11, 17] and copper.atomic_numbers.tolist() == [29]
    np.testing.assert_allclose(salt.frac_coords, [[0, 0, 0], [0.5, 0.5, 0.25]])
    np.testing.assert_allclose(np.linalg.norm(salt.lattice, axis=1), [4, 5, 6])
    cosine = salt.lattice[0] @ salt.lattice[2] / 24
    assert np.degrees(np.arccos(cosine)) == pytest.approx(100)
    assert copper.volume == pytest.approx(2.5**3 / np.sqrt(2))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("lengths", [-4.0, 5, 6], "absurd cell"),
        ("lengths", [np.nan, 5, 6], "non-finite"),
        ("angles", [10.0, 10, 170], "no cell has the angles"),
        ("angles", [np.inf, 90, 90], "non-finite"),
    ],
)
def test_a_bad_cell_is_one_failed_crystal(tmp_path, name, value, reason):
    values = SALT[name].copy()
    values[0] = value
    bad, good = read_inputs(written(tmp_path, **{name: values}))
    assert bad.status == "failed" and reason in bad.reason
    assert good.status == "ok"


def test_a_crystal_without_atoms(tmp_path):
    empty, _ = read_inputs(
        written(tmp_path, num_atoms=np.array([0, 1]), atom_types=np.array([29]), frac_coords=np.zeros((1, 3)))
    )
    assert (empty.status, empty.reason) == ("failed", "no atoms")


@pytest.mark.parametrize(
    "changed",
    [
        {"num_atoms": np.array([2, 2])},
        {"num_atoms": np.array([2.5, 0.5])},
        {"frac_coords": np.zeros((3, 2))},
        {"atom_types": np.array(["Na", "Cl", "Cu"])},
        {"atom_types": np.array([11, 17, None])},
    ],
)
def test_arrays_that_do_not_fit_are_no_crystals(tmp_path, changed):
    with pytest.raises(ValueError, match=r"a\.npz"):
        read_inputs(written(tmp_path, **changed))


def test_what_is_no_archive_of_arrays(tmp_path):
    (tmp_path / "text.npz").write_text("nothing")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("../lengths.npy", "?")
    for name in ("text", "one", "other", "zip"):
        with pytest.raises(ValueError, match=rf"{name}\.npz"):
            read_inputs(tmp_path / f"{name}.npz")
