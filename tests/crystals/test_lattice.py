import numpy as np
import torch
from pymatgen.core import Lattice

from sunflow.crystals.lattice import canonical_orientation, lattice_from_parameters, lattice_parameters

CUBIC = [[4.0, 4.0, 4.0], [90.0, 90.0, 90.0]]
HEXAGONAL = [[3.0, 3.0, 5.0], [90.0, 90.0, 120.0]]
TRICLINIC = [[3.1, 4.2, 5.3], [71.0, 82.0, 103.0]]
FLAT = [[3.0, 4.0, 12.0], [35.0, 50.0, 80.0]]
PARAMETERS = torch.tensor([CUBIC, HEXAGONAL, TRICLINIC, FLAT], dtype=torch.float64)


def random_rotations(number):
    generator = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(number, 3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)[:, None, None]


def test_there_and_back():
    lengths, angles = lattice_parameters(lattice_from_parameters(*PARAMETERS.unbind(1)))
    torch.testing.assert_close(torch.stack([lengths, angles], 1), PARAMETERS, rtol=1e-10, atol=1e-10)


def test_orientation_is_pymatgens():
    expected = [Lattice.from_parameters(*lengths, *angles).matrix for lengths, angles in PARAMETERS.tolist()]
    np.testing.assert_allclose(lattice_from_parameters(*PARAMETERS.unbind(1)), np.array(expected), atol=1e-10)


def test_rows_are_vectors_with_c_along_z_and_a_in_the_xz_plane():
    a, b, c = lattice_from_parameters(*PARAMETERS.unbind(1)).unbind(1)
    assert (a[:, 1] == 0).all() and (a[:, 0] > 0).all()
    assert (c[:, :2] == 0).all() and (c[:, 2] > 0).all()
    assert (b[:, 1] > 0).all()


def test_a_rotation_changes_nothing():
    lattice = lattice_from_parameters(*PARAMETERS.unbind(1))
    turned = lattice @ random_rotations(len(lattice))
    torch.testing.assert_close(canonical_orientation(turned), lattice, rtol=1e-9, atol=1e-9)


def test_distances_and_volume_are_kept():
    generator = torch.Generator().manual_seed(1)
    lattice = torch.randn(200, 3, 3, generator=generator, dtype=torch.float64) + 3 * torch.eye(3, dtype=torch.float64)
    lattice[torch.linalg.det(lattice) < 0] *= -1
    turned = canonical_orientation(lattice)
    gram = lattice @ lattice.mT
    torch.testing.assert_close(turned @ turned.mT, gram, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(torch.linalg.det(turned), torch.linalg.det(lattice), rtol=1e-6, atol=1e-6)
