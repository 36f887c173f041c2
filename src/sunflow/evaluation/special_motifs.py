"""Order parameters that are not those of a polyhedron in its best orientation, by pymatgen's definitions."""

import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import Legendre

from sunflow.evaluation.bond_angles import BondAngles
from sunflow.evaluation.polyhedra import Parameters, bell_at, largest_mean, sum_over_third

OrderParameter = Callable[[BondAngles], np.ndarray]
ALIGNED = 1 - 1e-12
"""A bond with a z beyond this counts as one without azimuth."""
TILT, MOST_TILTED = 0.0556, 0.81649658
"""Of the triangles of a cuboctahedron: width in azimuth, and sqrt(2/3)."""


def single_bond(angles: BondAngles) -> np.ndarray:
    """One bond is all that it can be."""
    return np.ones(len(angles.directions))


def bent(parameters: Parameters) -> OrderParameter:
    """How near the angle of two bonds is to a target."""
    bell = bell_at(parameters["TA"], parameters["IGW_TA"])
    return lambda angles: bell(angles.polar[:, 0, 1])


def body_centered(parameters: Parameters) -> OrderParameter:
    """Of a body-centred cubic environment (Peters, 2009)."""
    poles, south, weight = bell_at(1.0, parameters["IGW_SPP"]), parameters["min_SPP"], parameters["w_SPP"]

    def order(angles: BondAngles) -> np.ndarray:
        n, polar = angles.num_bonds, angles.polar
        tilt = (polar - math.pi / 2) / math.asin(1 / 3)
        slope = angles.off_axis * tilt * np.exp(0.5 - 0.5 * tilt**2)
        waves = np.where(angles.triples, np.cos(3 * angles.azimuth), 0.0)
        sign = angles.off_axis * np.where(polar > math.pi / 2, 1.0, -1.0)
        value = np.where(polar >= south, weight * poles(polar), sign * sum_over_third(waves, slope))
        return np.triu(value, 1).sum(axis=(1, 2)) / (0.5 * n * (6 + (n - 2) * (n - 3)))

    return order


def cuboctahedron(parameters: Parameters) -> OrderParameter:
    """Of a cuboctahedron, whose bonds lie on a square's plane, on triangles above and below it, and at the poles."""
    south, weight, low, high = (parameters[name] for name in ("min_SPP", "w_SPP", 4, 2))
    poles, square = bell_at(1.0, parameters["IGW_SPP"]), bell_at(0.5, parameters[5])
    triangles = bell_at(1 / 3, parameters[6]), bell_at(2 / 3, parameters[6])

    def order(angles: BondAngles) -> np.ndarray:
        polar = angles.polar
        at_pole = (polar >= south) & angles.pairs
        in_plane = (low < polar) & (polar < high)
        beside = angles.off_axis & (polar < south)
        above, below = beside & (polar < low), beside & (polar > high)
        waves = np.where(angles.triples, np.cos(angles.azimuth) ** 2, 0.0)
        tilts = np.exp(-0.5 * (TILT * (np.cos(angles.azimuth - 0.5 * math.pi) - MOST_TILTED)) ** 2)
        tilted = above * triangles[0](polar) + below * triangles[1](polar)
        value = sum_over_third(waves, beside * in_plane * square(polar))
        value += sum_over_third(np.where(angles.triples, tilts, 0.0), tilted)
        number = sum_over_third(angles.triples, (beside & in_plane) | above | below)
        meridian = angles.off_axis & in_plane
        own = weight * at_pole
        return largest_mean(own * poles(polar) + meridian * value, own + meridian * number)

    return order


def bond_orientation(degree: int) -> OrderParameter:
    """Steinhardt's order parameter of a degree, by the addition theorem: the mean Legendre polynomial of all pairs."""
    legendre = Legendre.basis(degree)

    def order(angles: BondAngles) -> np.ndarray:
        directions = _without_small_azimuths(angles.directions)
        cosines = np.vecdot(directions[:, :, None], directions[:, None, :])
        return np.sqrt(np.maximum(legendre(cosines).mean(axis=(1, 2)), 0.0))

    return order


def _without_small_azimuths(directions: np.ndarray) -> np.ndarray:
    """Bonds along z, turned into the plane of x and z."""
    z = directions[..., 2]
    turned = np.stack([np.sqrt(np.maximum(1 - z**2, 0.0)), np.zeros_like(z), z], axis=-1)
    return np.where((np.abs(z) < ALIGNED)[..., None], directions, turned)
