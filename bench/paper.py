"""CrysBFN at the paper's size, plain and ours, and batches of MP-20's sizes."""

import copy
import math

import torch
from torch import Tensor

from bench.reference_cspnet import PlainCSPNet
from bench.reference_flow import RejectionSimulation
from bench.sizes import mp20_sizes
from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.generators.crysbfn import CrysBFN
from sunflow.networks.cspnet import CSPNet

NUM_CRYSTALS = 64
ELEMENTS = [*range(1, 84), *range(89, 95)]
STATISTICS = {"atomic_numbers": ELEMENTS, "lattice_scale": 3.866, "num_atoms": {}}


def paper_network() -> CSPNet:
    """Random weights."""
    torch.manual_seed(0)
    return CSPNet(len(ELEMENTS), hidden_dim=512, num_layers=6, num_frequencies=128, time_dim=128)


def paper_generator(num_steps: int, **smaller: int) -> CrysBFN:
    """Random weights; with parts of another size if wanted."""
    torch.manual_seed(0)
    return CrysBFN("generation", STATISTICS, accuracy_schedule("official", num_steps, 1000.0), **smaller)


def plain_generator(generator: CrysBFN) -> CrysBFN:
    """The same weights in a plain network, and a flow that draws every observation by rejection."""
    plain = copy.deepcopy(generator)
    plain.network = PlainCSPNet(plain.network)
    flow = plain.flow._flows["frac_coords"]
    flow.simulation = RejectionSimulation(flow.accuracies, flow.table)
    return plain


def inputs(num_atoms: Tensor) -> tuple[Tensor, ...]:
    """Random types, angles, signals, lattices and times for a network."""
    atoms, crystals = int(num_atoms.sum()), len(num_atoms)
    types = 2 * torch.softmax(3 * torch.randn(atoms, len(ELEMENTS)), -1) - 1
    angles = 2 * math.pi * (torch.rand(atoms, 3) - 0.5)
    return types, angles, torch.rand(atoms, 3), torch.randn(crystals, 3, 3), torch.rand(crystals)


def batch(num_crystals: int = NUM_CRYSTALS) -> CrystalBatch:
    """Random crystals of MP-20's sizes."""
    num_atoms = mp20_sizes(num_crystals)
    atoms = int(num_atoms.sum())
    return CrystalBatch(
        lattice=5 * torch.eye(3) + torch.rand(num_crystals, 3, 3),
        frac_coords=torch.rand(atoms, 3),
        atomic_numbers=torch.tensor(ELEMENTS)[torch.randint(len(ELEMENTS), (atoms,))],
        num_atoms=num_atoms,
    )


def largest_error(parts: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> float:
    """The largest difference, relative to the largest entry of each output."""
    pairs = zip(parts, wanted, strict=True)
    return max(((part - exact).abs().max() / exact.abs().max()).item() for part, exact in pairs)


def require(error: float, bound: float, what: str) -> None:
    """Print the error; stop if it is beyond the bound."""
    if not error <= bound:
        raise AssertionError(f"{what}: {error:.1e} of the largest entry, more than {bound:.0e}")
    print(f"{what}: {error:.1e} of the largest entry")
