"""A Voronoi cell from the convex hull of its dual, for atoms around which nothing is degenerate.

A neighbour at p bounds the cell by the plane x·p = p²/2. The hull of the points 2p/p² is the cell's polar: every
triangle of it is a corner of the cell, every vertex a face. It costs a tenth of a tessellation of all neighbours.
"""

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from sunflow.evaluation.vectors import cross, length, solid_angle_cosine

MARGIN = 1e-6
"""Å by which every other atom must be farther from a corner than the four atoms that make it."""
CLOSEST, FARTHEST = 0.1, 15.0
"""Å; neighbours must not be closer, corners not farther away."""


def polar_cell(neighbors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The faces of the Voronoi cell around the origin, or None where rounding might decide what they are.

    Args:
        neighbors: (neighbours, 3) in Å, none of them the origin itself.

    Returns:
        Which neighbours have a face, (faces,), and the solid angles (steradians) and areas (Å²) of the faces.
    """
    squares = np.vecdot(neighbors, neighbors)
    if len(neighbors) < 4 or squares.min() < CLOSEST**2:
        return None
    try:
        hull = ConvexHull(2 * neighbors / squares[:, None])
    except QhullError:
        return None
    inside = -hull.equations[:, 3]
    if inside.min() * FARTHEST < 1:
        return None
    corners = hull.equations[:, :3] / inside[:, None]
    if not _is_simple(corners, neighbors, squares):
        return None
    solid_angles, areas = _measures(hull, corners, neighbors)
    return hull.vertices, solid_angles[hull.vertices], areas[hull.vertices]


def _is_simple(corners: np.ndarray, neighbors: np.ndarray, squares: np.ndarray) -> bool:
    """Whether three neighbours, and the origin, are clearly the nearest to every corner."""
    farther = squares - 2 * corners @ neighbors.T
    nearest = farther < 2 * MARGIN * length(corners)[:, None]
    return bool((nearest.sum(axis=1) == 3).all())


def _measures(hull: ConvexHull, corners: np.ndarray, neighbors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solid angles and areas of the faces of all neighbours, 0 for those that have none.

    A face is a sum of triangles of an edge and the face's foot, halfway to the neighbour; those that lie outside of the
    face count as negative.
    """
    a, b, c = hull.simplices.T
    points = hull.points
    turned = np.vecdot(points[a], cross(points[b], points[c])) < 0
    b, c = np.where(turned, c, b), np.where(turned, b, c)
    over_b, over_c = np.where(turned, hull.neighbors[:, [2, 1]].T, hull.neighbors[:, [1, 2]].T)
    face = np.concatenate([a, b, c])
    start = np.concatenate([over_c, hull.neighbors[:, 0], over_b])
    u, v, foot = corners[start], np.tile(corners, (3, 1)), neighbors[face] / 2
    normal = cross(u, v)
    angles = 2 * np.arctan2(np.vecdot(foot, normal), solid_angle_cosine(foot, u, v))
    areas = np.vecdot(foot, normal) / length(foot) / 2
    return np.bincount(face, angles, len(neighbors)), np.bincount(face, areas, len(neighbors))
