import numpy as np
import pytest

from sunflow.crystals.crystal import Crystal


def crystal_of(crystal_id, lattice, frac_coords, atomic_numbers, **rest):
    return Crystal(crystal_id, lattice, np.array(frac_coords, dtype=float), np.array(atomic_numbers), **rest)


def rock_salt(crystal_id="NaCl", **properties):
    frac_coords = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    return crystal_of(crystal_id, np.eye(3) * 2.8 + 0.1, frac_coords, [11, 17], properties=properties)


def same(first, second):
    assert (first.crystal_id, first.status, first.reason) == (second.crystal_id, second.status, second.reason)
    assert first.properties == second.properties
    for name in ("lattice", "frac_coords", "atomic_numbers"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_there_and_back():
    crystal = rock_salt(energy_per_atom=-3.4, band_gap=None, formula="NaCl")
    same(Crystal.from_record(crystal.to_record()), crystal)


def test_a_failure_keeps_its_reason_and_has_no_atoms():
    failure = Crystal.failure("x", "parse failure", band_gap=1.0)
    assert failure.status == "failed" and failure.num_atoms == 0
    same(Crystal.from_record(failure.to_record()), failure)


def test_positions_and_elements_must_agree():
    with pytest.raises(ValueError, match="broken: 1 positions but 2 atomic numbers"):
        crystal_of("broken", np.eye(3), [[0, 0, 0]], [11, 17])


def test_a_crystal_is_not_changed_but_made_anew():
    crystal = rock_salt(band_gap=5.0)
    failed = crystal.failed("overlap").with_properties(max_force=0.1)
    assert crystal.status == "ok" and crystal.properties == {"band_gap": 5.0}
    assert failed.reason == "overlap" and failed.properties == {"band_gap": 5.0, "max_force": 0.1}


def test_volume_is_positive_for_left_handed_vectors():
    crystal = crystal_of("left", -2 * np.eye(3), [[0, 0, 0]], [11])
    assert crystal.volume == pytest.approx(8)
