"""The faces of the Voronoi cell around one atom, as pymatgen's VoronoiNN finds them.

Qhull's answer for crystals hangs on the last bit: where many points have the same distance from a vertex, it may return
that vertex several times, and a sliver of a face counts as nothing or as a solid angle of 2π. So the points, their
order and every floating-point operation up to the areas are pymatgen's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice
from scipy.spatial import Voronoi

from sunflow.evaluation.polar_cell import polar_cell
from sunflow.evaluation.vectors import cross, length, solid_angle_cosine

SEARCH_CUTOFF = 7.0
"""Å around the atom, within which its neighbours are sought at first (CrystalNN)."""
MARGIN = 0.01
"""Å beyond the longest diagonal of the cell, up to where the search goes on."""
MAX_POINTS = 20_000
"""Qhull takes a second and some hundred megabytes for as many."""
DIAGONALS = ([1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1])


@dataclass(frozen=True)
class Faces:
    """The faces of a cell, one row each.

    Attributes:
        coords: (faces, 3) Cartesian coordinates of the atoms across them, in Å.
        atoms: (faces,) which atoms of the crystal these are images of.
        solid_angle: (faces,) steradians.
        area: (faces,) Å².
    """

    coords: np.ndarray
    atoms: np.ndarray
    solid_angle: np.ndarray
    area: np.ndarray


class NotEnclosedError(RuntimeError):
    """The neighbours do not enclose the atom."""


def simple_faces(lattice: Lattice, frac_coords: np.ndarray, site: int) -> Faces | None:
    """The faces around an atom, in any order and to about 1e-12, or None where only `voronoi_faces` can say them."""
    points, atoms = _points(lattice, frac_coords, site, SEARCH_CUTOFF)
    cell = polar_cell(points[1:] - points[0])
    if cell is None:
        return None
    neighbors, solid_angles, areas = cell
    return Faces(points[neighbors + 1], atoms[neighbors + 1], solid_angles, areas)


def voronoi_faces(lattice: Lattice, frac_coords: np.ndarray, site: int) -> Faces:
    """The faces around an atom, from neighbours as far away as it takes to enclose it.

    Raises:
        ValueError: Neighbours up to the longest diagonal of the cell do not, there are too many, or it has no face.
    """
    cutoff, limit = SEARCH_CUTOFF, _longest_diagonal(lattice) + MARGIN
    while True:
        try:
            return _faces(*_points(lattice, frac_coords, site, cutoff))
        except RuntimeError as error:  # Qhull's are of this kind, too
            if cutoff >= limit:
                reason = str(error).strip().partition("\n")[0]
                raise ValueError(f"atom {site} has no Voronoi cell within {cutoff:.1f} Å: {reason}") from error
            cutoff = min(2 * cutoff, limit + 0.001)


def _longest_diagonal(lattice: Lattice) -> float:
    return max(float(np.linalg.norm(lattice.get_cartesian_coords(corner))) for corner in DIAGONALS)


def _points(lattice: Lattice, frac_coords: np.ndarray, site: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Cartesian coordinates of all atoms around this one, itself first, and which atoms they are images of."""
    expected = len(frac_coords) * 4 / 3 * math.pi * cutoff**3 / lattice.volume
    if expected > MAX_POINTS:
        raise ValueError(f"there are about {expected:.0f} atoms within {cutoff:.1f} Å, more than {MAX_POINTS}")
    center = lattice.get_cartesian_coords(frac_coords[site])
    images, distances, atoms, _ = lattice.get_points_in_sphere(frac_coords, center, cutoff, zip_results=False)
    order = np.argsort(distances, kind="stable")
    return np.vecmat(images[order], lattice.matrix), atoms[order]


def _faces(points: np.ndarray, atoms: np.ndarray) -> Faces:
    """The faces between the first point and others."""
    diagram = Voronoi(points)
    ridges = np.flatnonzero((diagram.ridge_points == 0).any(axis=1))
    others = diagram.ridge_points[ridges].sum(axis=1)
    ridge_of = dict(zip(others.tolist(), ridges.tolist(), strict=True))
    if not ridge_of:
        raise ValueError("an atom has no Voronoi face")
    polygons = [diagram.ridge_vertices[ridge] for ridge in ridge_of.values()]
    if any(-1 in polygon for polygon in polygons):
        raise NotEnclosedError("its neighbours do not enclose it")
    neighbors = list(ridge_of)
    solid_angle, volume = _measures(diagram.vertices, polygons, points[0])
    height = length(points[0] - points[neighbors]) / 2
    return Faces(points[neighbors], atoms[neighbors], solid_angle, 3 * volume / height)


def _measures(vertices: np.ndarray, polygons: Sequence[Sequence[int]], center: np.ndarray) -> tuple[np.ndarray, ...]:
    """Solid angles of polygons around a centre, and volumes of the pyramids with their tips there.

    Every polygon is cut into triangles at its first corner.
    """
    face = [i for i, polygon in enumerate(polygons) for _ in polygon[2:]]
    corners = (
        [polygon[0] for polygon in polygons for _ in polygon[2:]],
        [vertex for polygon in polygons for vertex in polygon[1:-1]],
        [vertex for polygon in polygons for vertex in polygon[2:]],
    )
    a, b, c = (vertices[corner] for corner in corners)
    angles, volumes = _triangle_angles(a - center, b - center, c - center), _tetrahedron_volumes(center, a, b, c)
    return np.bincount(face, angles, len(polygons)), np.bincount(face, volumes, len(polygons))


def _triangle_angles(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Solid angles of triangles around the origin; one whose corners span no volume has 2π, as in pymatgen."""
    volume, cosine = np.abs(np.vecdot(a, cross(b, c))), solid_angle_cosine(a, b, c)
    right = cosine == 0
    half = np.where(right, 0.5 * np.pi, np.arctan(volume / np.where(right, 1.0, cosine)))
    return np.where(half > 0, half, half + np.pi) * 2


def _tetrahedron_volumes(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.abs(np.vecdot(a - d, cross(b - d, c - d))) / 6
