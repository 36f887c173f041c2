import pytest
import torch

from sunflow.crystals.batch import CrystalBatch

STATISTICS = {"atomic_numbers": [6, 8, 26, 94], "num_atoms": {"1": 2, "3": 1, "52": 1}, "lattice_scale": 4.0}


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
