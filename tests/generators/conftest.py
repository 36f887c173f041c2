import pytest
import torch

from sunflow.crystals.batch import CrystalBatch

STATISTICS = {"atomic_numbers": [8, 12, 26, 94], "num_atoms": {"1": 2, "3": 1, "52": 1}, "lattice_scale": 4.0}


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
