"""Faces of Voronoi cells against pymatgen's, and against what must hold of any cell."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.local_env import VoronoiNN

from sunflow.evaluation.polar_cell import polar_cell
from sunflow.evaluation.voronoi_faces import simple_faces, voronoi_faces

EXAMPLES = [
    Structure(Lattice.cubic(3), ["Po"], [[0, 0, 0]]),
    Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.57), ["C"], [[0, 0, 0]]),
    Structure(Lattice([[5.5, 0.3, 0], [0, 6, 0.1], [0.2, 0, 7]]), ["Si"], [[0.1, 0.2, 0.3]]),
    Structure(Lattice.orthorhombic(3, 3, 25), ["Si"], [[0, 0, 0]]),
]


def random_structure(seed):
    random = np.random.default_rng(seed)
    lattice = Lattice(4 * np.eye(3) + random.normal(0, 0.3, (3, 3)))
    return Structure(lattice, ["Si"] * 5, random.random((5, 3)))


@pytest.mark.parametrize("structure", [*EXAMPLES, *map(random_structure, range(5))])
def test_to_the_last_bit_as_pymatgens(structure):
    for site in range(len(structure)):
        cell = VoronoiNN(cutoff=7).get_voronoi_polyhedra(structure, site)
        faces = voronoi_faces(structure.lattice, structure.frac_coords, site)
        assert [face["solid_angle"] for face in cell.values()] == faces.solid_angle.tolist()
        assert [face["area"] for face in cell.values()] == faces.area.tolist()
        assert [face["site"].coords.tolist() for face in cell.values()] == faces.coords.tolist()
        assert [face["site"].index for face in cell.values()] == faces.atoms.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_simple_cells_are_the_same_cells(seed):
    structure = random_structure(seed)
    for site in range(len(structure)):
        simple = simple_faces(structure.lattice, structure.frac_coords, site)
        faces = voronoi_faces(structure.lattice, structure.frac_coords, site)
        if simple is not None:
            mine, order = np.lexsort(simple.coords.T), np.lexsort(faces.coords.T)
            assert simple.coords[mine].tolist() == faces.coords[order].tolist()
            assert simple.atoms[mine].tolist() == faces.atoms[order].tolist()
            np.testing.assert_allclose(simple.solid_angle[mine], faces.solid_angle[order], rtol=0, atol=1e-10)
            np.testing.assert_allclose(simple.area[mine], faces.area[order], rtol=0, atol=1e-10)


def test_faces_enclose_the_whole_sphere_and_fill_space():
    structure, volume = random_structure(0), 0.0
    for site, atom in enumerate(structure):
        faces = voronoi_faces(structure.lattice, structure.frac_coords, site)
        assert faces.solid_angle.sum() == pytest.approx(4 * np.pi)
        volume += (faces.area * np.linalg.norm(faces.coords - atom.coords, axis=1)).sum() / 6
    assert volume == pytest.approx(structure.volume)


@pytest.mark.parametrize("structure", [EXAMPLES[0], EXAMPLES[2], EXAMPLES[4]])
def test_cells_whose_corners_have_more_than_three_faces_are_not_simple(structure):
    assert simple_faces(structure.lattice, structure.frac_coords, 0) is None


def test_only_cells_that_are_closed_are_simple():
    random = np.random.default_rng(0)
    points = 3 * random.normal(size=(30, 3))
    assert polar_cell(points) is not None
    assert polar_cell(np.abs(points)) is None
    assert polar_cell(points * [1, 1, 0]) is None
    assert polar_cell(points[:3]) is None
    assert polar_cell(np.vstack([points, [1e-3, 0, 0]])) is None


def test_cubes():
    faces = voronoi_faces(Lattice.cubic(3), np.zeros((1, 3)), 0)
    np.testing.assert_allclose(faces.solid_angle, 4 * np.pi / 6)
    np.testing.assert_allclose(faces.area, 9)


def test_an_atom_that_nothing_can_enclose():
    with pytest.raises(ValueError, match="within"):
        voronoi_faces(Lattice.orthorhombic(2000, 0.5, 0.5), np.zeros((1, 3)), 0)
