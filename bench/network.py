"""The score network against a plain one."""

import math

import torch
from torch import Tensor

from bench.reference_cspnet import PlainCSPNet
from bench.sizes import mp20_sizes
from bench.timing import cpu_seconds, print_against
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet

NUM_CRYSTALS, NUM_TYPES = 64, 89


def network(repeats: int) -> None:
    """Forward, and forward with backward, of the paper's network for 64 crystals with the sizes of MP-20."""
    torch.manual_seed(0)
    ours = CSPNet(NUM_TYPES, hidden_dim=512, num_layers=6, num_frequencies=128, time_dim=128)
    plain = PlainCSPNet(ours)
    num_atoms = mp20_sizes(NUM_CRYSTALS)
    given = _inputs(num_atoms)

    def outputs_of_ours() -> tuple[Tensor, ...]:
        return tuple(ours(*given, CompleteGraph.of(num_atoms)))

    def outputs_of_plain() -> tuple[Tensor, ...]:
        return tuple(plain(*given, num_atoms))

    _check(outputs_of_ours(), outputs_of_plain())
    variants = {"plain": outputs_of_plain, "split, features once": outputs_of_ours}
    print(f"{NUM_CRYSTALS} crystals, {num_atoms.sum()} atoms, {(num_atoms**2).sum()} edges\nforward")
    with torch.no_grad():
        print_against("plain", cpu_seconds(variants, repeats))
    print("forward and backward")
    steps = {name: lambda variant=variant: _backward(variant()) for name, variant in variants.items()}
    print_against("plain", cpu_seconds(steps, repeats))


def _inputs(num_atoms: Tensor) -> tuple[Tensor, ...]:
    """Random types, angles, signals, lattices and times."""
    atoms, crystals = int(num_atoms.sum()), len(num_atoms)
    types = 2 * torch.softmax(3 * torch.randn(atoms, NUM_TYPES), -1) - 1
    angles = 2 * math.pi * (torch.rand(atoms, 3) - 0.5)
    return types, angles, torch.rand(atoms, 3), torch.randn(crystals, 3, 3), torch.rand(crystals)


@torch.no_grad()
def _check(ours: tuple[Tensor, ...], plain: tuple[Tensor, ...]) -> None:
    """Both networks must say the same, to 1e-5 of the largest entry of each output."""
    for part, wanted in zip(ours, plain, strict=True):
        error = ((part - wanted).abs().max() / wanted.abs().max()).item()
        if not error < 1e-5:
            raise AssertionError(f"the networks differ by {error:.1e} of the largest entry, more than rounding does")


def _backward(outputs: tuple[Tensor, ...]) -> None:
    """Gradients of something that depends on every output."""
    torch.stack([part.square().sum() for part in outputs]).sum().backward()
