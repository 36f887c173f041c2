from dataclasses import replace

import pytest
import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.lattice_coefficients import fixed_coefficients, free_coefficients, lattice_of_coefficients

STATISTICS = {
    "atomic_numbers": [8, 12, 26, 94],
    "num_atoms": {"1": 2, "3": 1, "52": 1},
    "lattice_scale": 4.0,
    "properties": {"band_gap": {"mean": 1.0, "std": 2.0}},
    "max_atoms": 5000,
    "lattice_coefficients": {"mean": [0.0, -0.1, 0.0, 0.0, -0.1, 1.9], "std": [0.1, 0.1, 0.1, 0.3, 0.25, 0.2]},
}


@pytest.fixture
def statistics():
    return STATISTICS


@pytest.fixture
def crystals():
    """Cells of 1, 52, 3 and 2 atoms."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([1, 52, 3, 2])
    atoms = int(sizes.sum())
    return CrystalBatch(
        lattice=4 * torch.eye(3) + torch.randn(4, 3, 3, generator=generator),
        frac_coords=torch.rand(atoms, 3, generator=generator),
        atomic_numbers=torch.tensor(STATISTICS["atomic_numbers"])[torch.randint(4, (atoms,), generator=generator)],
        num_atoms=sizes,
    )


@pytest.fixture
def asymmetric_units(crystals, space_groups):
    """The same atoms as representatives of random Wyckoff positions of Fm-3m, P1, P4/mmm and P6_3/mmc."""
    generator = torch.Generator().manual_seed(1)
    groups = torch.tensor([225, 1, 123, 194])
    free, fixed = free_coefficients(groups), fixed_coefficients(groups)
    coefficients = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.1, 2.4]) + 0.1 * torch.randn(4, 6, generator=generator)
    positions = space_groups.num_positions(groups)[crystals.crystal_of_atom]
    random = torch.rand(len(positions), generator=generator)
    return replace(
        crystals,
        lattice=lattice_of_coefficients(torch.where(free, coefficients, fixed)),
        space_group=groups,
        wyckoff=(random * positions).long(),
        properties={"band_gap": torch.tensor([0.0, 1.0, torch.nan, 3.0])},
    )


@pytest.fixture
def train_split():
    """For controls: ten oxides of magnesium and iron of every size asked for, with atoms anywhere."""

    def split(sizes):
        generator = torch.Generator().manual_seed(7)
        counts = torch.tensor([size for size in sizes for _ in range(10)])
        metals = [metal for _ in sizes for metal in (26, 12) * 5]
        atoms = [([metal, 8] * size)[:size] for size, metal in zip(counts.tolist(), metals, strict=True)]
        edges = 3 * counts[:, None, None] ** (1 / 3)
        return CrystalBatch(
            lattice=edges * (torch.eye(3) + 0.1 * torch.randn(len(counts), 3, 3, generator=generator)),
            frac_coords=torch.rand(int(counts.sum()), 3, generator=generator),
            atomic_numbers=torch.tensor([z for each in atoms for z in each]),
            num_atoms=counts,
        )

    return split
