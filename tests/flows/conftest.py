import pytest
import torch


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def draw_for():
    """`draw_for(rows)` is the noise of so many rows, the same in every run."""
    generator = torch.Generator().manual_seed(2025)
    return lambda rows: lambda *shape: torch.randn(rows, *shape, generator=generator)
