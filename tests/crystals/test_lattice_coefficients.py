"""Golden values: the specification's k vectors, computed by eigendecomposition of the metric in another program."""

import math

import pytest
import torch

from sunflow.crystals.lattice import lattice_from_parameters, lattice_parameters
from sunflow.crystals.lattice_coefficients import (
    FAMILIES,
    fixed_coefficients,
    free_coefficients,
    lattice_coefficients,
    lattice_of_coefficients,
)

CELLS = {
    "cubic": ((5, 5, 5, 90, 90, 90), (0, 0, 0, 0, 0, 1.609438)),
    "tetragonal": ((4, 4, 6, 90, 90, 90), (0, 0, 0, 0, -0.135155, 1.521449)),
    "orthorhombic": ((4, 5, 6, 90, 90, 90), (0, 0, 0, -0.111572, -0.097964, 1.595831)),
    "hexagonal": ((4, 4, 6.5, 90, 90, 120), (-0.274653, 0, 0, 0, -0.185809, 1.500183)),
    "monoclinic": ((5, 6, 7, 90, 105, 90), (0, -0.129910, 0, -0.101756, -0.080809, 1.770813)),
    "triclinic": ((5, 6, 7, 80, 95, 103), (-0.110756, -0.033904, 0.084517, -0.089484, -0.085029, 1.768192)),
}


def cell(parameters, dtype=torch.float64):
    lengths, angles = (torch.tensor([parameters[part]], dtype=dtype) for part in (slice(3), slice(3, 6)))
    return lattice_from_parameters(lengths, angles)


@pytest.mark.parametrize("family", CELLS)
def test_coefficients_have_the_values_of_the_specification_and_lead_back(family):
    parameters, expected = CELLS[family]
    coefficients = lattice_coefficients(cell(parameters))
    assert coefficients[0].tolist() == pytest.approx(expected, abs=1e-6)
    lengths, angles = lattice_parameters(lattice_of_coefficients(coefficients))
    assert [*lengths[0].tolist(), *angles[0].tolist()] == pytest.approx(parameters, abs=1e-9)


def test_half_precision_around_them_changes_nothing():
    lattice = cell(CELLS["triclinic"][0], torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        there = lattice_coefficients(lattice)
        back = lattice_of_coefficients(there)
    torch.testing.assert_close(there, lattice_coefficients(lattice), rtol=0, atol=0)
    torch.testing.assert_close(back, lattice_of_coefficients(there), rtol=0, atol=0)


@pytest.mark.parametrize("family", CELLS)
def test_a_family_fixes_what_its_cells_have_in_common(family):
    parameters, _ = CELLS[family]
    groups = torch.tensor([last for last, name, _ in FAMILIES if name == family])
    coefficients, free = lattice_coefficients(cell(parameters)), free_coefficients(groups)
    torch.testing.assert_close(coefficients[~free], fixed_coefficients(groups).double()[~free], atol=1e-8, rtol=0)
    assert (coefficients[free].abs() > 1e-3).all()


def test_every_space_group_has_its_family():
    free = free_coefficients(torch.arange(1, 231)).sum(1)
    last = [2, 15, 74, 142, 194, 230]
    assert [int(free[number - 1]) for number in last] == [6, 4, 3, 2, 2, 1]
    assert (free[1:] != free[:-1]).nonzero()[:, 0].add(1).tolist() == [2, 15, 74, 194]
    assert fixed_coefficients(torch.tensor([142, 143, 194, 195]))[:, 0].tolist() == pytest.approx(
        [0, -math.log(3) / 4, -math.log(3) / 4, 0]
    )


def test_rotations_do_not_matter_and_the_volume_is_the_last():
    lattice = cell(CELLS["triclinic"][0])
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    torch.testing.assert_close(lattice_coefficients(lattice @ rotation), lattice_coefficients(lattice))
    assert float(lattice_coefficients(lattice)[0, 5]) == pytest.approx(
        math.log(float(torch.linalg.det(lattice)[0])) / 3
    )


def test_gradients_and_nonsense():
    coefficients = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lattice_of_coefficients, (coefficients,))
    assert not lattice_of_coefficients(torch.full((1, 6), math.nan)).isfinite().any()
