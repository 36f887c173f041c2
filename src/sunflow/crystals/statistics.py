"""What a generator must know of its dataset before it is trained."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.lattice_coefficients import free_coefficients, lattice_coefficients

SMALLEST_STD = 1e-3


def dataset_statistics(crystals: Sequence[Crystal], properties: Sequence[str] = ()) -> dict[str, Any]:
    """Elements, sizes and scale of the lattices of a train split of crystals or asymmetric units, as plain JSON.

    Args:
        crystals: Of the split.
        properties: Whose statistics are wanted.

    Returns:
        `atomic_numbers`: the elements that occur, ascending. `num_atoms`: how many crystals have so many atoms, by
        number of atoms (as text). `lattice_scale`: root mean square of all lattice matrix entries, in Å; it does not
        depend on the orientation. `properties`: mean and standard deviation of those asked for, where there are any
        numbers. Of asymmetric units, `max_atoms`: of the largest primitive cell; `lattice_coefficients`: mean and
        standard deviation of each, over the crystals whose space groups leave it free.

    Raises:
        ValueError: There are no crystals.
    """
    if not crystals:
        raise ValueError("the train split holds no crystals, so it has no statistics")
    elements = np.unique(np.concatenate([crystal.atomic_numbers for crystal in crystals]))
    sizes = Counter(crystal.num_atoms for crystal in crystals)
    squares = np.stack([crystal.lattice for crystal in crystals]) ** 2
    columns = {name: [crystal.properties.get(name) for crystal in crystals] for name in properties}
    return {
        "atomic_numbers": elements.tolist(),
        "num_atoms": {str(size): sizes[size] for size in sorted(sizes)},
        "lattice_scale": float(np.sqrt(squares.mean())),
        "properties": {name: numbers for name, values in columns.items() if (numbers := _mean_and_std(values))},
        **(_of_asymmetric_units(crystals) if all(crystal.is_asymmetric_unit for crystal in crystals) else {}),
    }


def _of_asymmetric_units(units: Sequence[Crystal]) -> dict[str, Any]:
    groups = torch.tensor([int(str(unit.properties["space_group"])) for unit in units])
    coefficients = lattice_coefficients(torch.tensor(np.stack([unit.lattice for unit in units])))
    free = free_coefficients(groups)
    columns = [_mean_and_std(coefficients[free[:, k], k].tolist()) for k in range(coefficients.shape[1])]
    known = [column or {"mean": 0.0, "std": 1.0} for column in columns]
    return {
        "max_atoms": max(int(str(unit.properties["num_atoms"])) for unit in units),
        "lattice_coefficients": {name: [column[name] for column in known] for name in ("mean", "std")},
    }


def _mean_and_std(values: Sequence[object]) -> dict[str, float]:
    """Of the finite numbers among some values, with 1 in place of a standard deviation that is next to nothing."""
    numbers = [float(each) for each in values if isinstance(each, int | float) and math.isfinite(each)]
    if not numbers:
        return {}
    std = float(np.std(numbers))
    return {"mean": float(np.mean(numbers)), "std": std if std > SMALLEST_STD else 1.0}
