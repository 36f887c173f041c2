"""What the player of a trajectory shows: the atoms and the cell of every frame, followed without jumps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS
from sunflow.report.structure_view import look, upright

LARGEST = 1.6
"""How far frames are shown, in reaches of the last one, which fills the picture; what lies farther is cut off."""

_FLAT = 1e-6
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])


@dataclass(frozen=True)
class Trajectory:
    """How one crystal came to be.

    Attributes:
        generator: Its name in the configuration.
        sample_id: The name of the crystal among the samples.
        num_steps: Of the sampling.
        difference: Between the last frame and the sample, in words; empty where there is none.
        frames: With the properties `step` and `time`; empty where none can be shown.
    """

    generator: str
    sample_id: str
    num_steps: int
    difference: str
    frames: list[Crystal]


def trajectory_view(frames: Sequence[Crystal]) -> dict[str, Any]:
    """Elements, reaches, and by frame atoms about the cell's centre and the lattice, in Å, as plain values."""
    rotation = _upright_rotation(frames[-1].lattice)
    lattices = [frame.lattice @ rotation for frame in frames]
    coordinates = unwrapped([frame.frac_coords for frame in frames])
    positions = [(frac_coords - 0.5) @ lattice for frac_coords, lattice in zip(coordinates, lattices, strict=True)]
    corners = [(_CORNERS - 0.5) @ lattice for lattice in lattices]
    reaches = np.array([np.abs(np.concatenate(points)).max(axis=0) for points in zip(positions, corners, strict=True)])
    atomic_numbers = np.unique(np.concatenate([frame.atomic_numbers for frame in frames]))
    return {
        "elements": {SYMBOLS[z - 1]: look(int(z)) for z in atomic_numbers},
        "bounds": np.minimum(reaches.max(axis=0), LARGEST * reaches[-1].max()).round(2).tolist(),
        "size": reaches[-1].round(2).tolist(),
        "frames": [
            {
                "step": frame.properties["step"],
                "time": round(float(frame.properties["time"] or 0), 3),
                "symbols": [SYMBOLS[z - 1] for z in frame.atomic_numbers],
                "positions": atoms.round(2).tolist(),
                "lattice": lattice.round(2).tolist(),
            }
            for frame, atoms, lattice in zip(frames, positions, lattices, strict=True)
        ],
    }


def unwrapped(frames: Sequence[Float[np.ndarray, "atoms 3"]]) -> list[Float[np.ndarray, "atoms 3"]]:
    """Fractional coordinates moved to the image nearest to that of the next frame; the last frame stays as it is.

    So the crystal ends within its cell, and atoms that cross its border on the way there do not jump.
    """
    followed = [frames[-1]]
    for frac_coords in reversed(frames[:-1]):
        followed.append(frac_coords - np.round(frac_coords - followed[-1]))
    return followed[::-1]


def _upright_rotation(lattice: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """What turns this lattice upright; nothing does if it is flat."""
    if abs(np.linalg.det(lattice)) < _FLAT:
        return np.eye(3)
    return np.linalg.solve(lattice, upright(lattice))
