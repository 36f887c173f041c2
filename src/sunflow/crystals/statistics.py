"""What a generator must know of its dataset before it is trained."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sunflow.crystals.crystal import Crystal


def dataset_statistics(crystals: Sequence[Crystal]) -> dict[str, Any]:
    """Elements, sizes and scale of the lattices of a train split, as plain JSON.

    Returns:
        `atomic_numbers`: the elements that occur, ascending. `num_atoms`: how many crystals have so many atoms, by
        number of atoms (as text). `lattice_scale`: root mean square of all lattice matrix entries, in Å; it does not
        depend on the orientation.

    Raises:
        ValueError: There are no crystals.
    """
    if not crystals:
        raise ValueError("the train split holds no crystals, so it has no statistics")
    elements = np.unique(np.concatenate([crystal.atomic_numbers for crystal in crystals]))
    sizes = Counter(crystal.num_atoms for crystal in crystals)
    squares = np.stack([crystal.lattice for crystal in crystals]) ** 2
    return {
        "atomic_numbers": elements.tolist(),
        "num_atoms": {str(size): sizes[size] for size in sorted(sizes)},
        "lattice_scale": float(np.sqrt(squares.mean())),
    }
