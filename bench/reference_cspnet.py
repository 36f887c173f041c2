"""A plain CSPNet to measure against: one edge list, everything concatenated, everything recomputed in every layer."""

import math

import torch
from torch import Tensor, nn

from sunflow.networks.cspnet import CSPNet, CSPNetOutput


class PlainCSPNet(nn.Module):
    """The network of the paper as one would write it down, with the parameters of a `CSPNet`."""

    def __init__(self, network: CSPNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, types: Tensor, angles: Tensor, signal: Tensor, lattice: Tensor, time: Tensor, num_atoms: Tensor
    ) -> CSPNetOutput:
        """As `CSPNet.forward`, with sizes instead of a graph."""
        receiver, sender, crystal_of_atom = _edges(num_atoms)
        frequencies = 1000 * torch.exp(-math.log(10_000) / 63 * torch.arange(64))
        phase = time[:, None] * frequencies.to(time)
        time_of_atom = torch.cat([torch.sin(phase), torch.cos(phase)], -1)[crystal_of_atom]
        network = self.network
        atoms = network.atom_embedding(torch.cat([network.type_embedding(types), time_of_atom, signal], -1))
        for layer in network.layers:
            normed = layer.norm(atoms)
            edge = torch.cat(
                [
                    normed[receiver],
                    normed[sender],
                    (lattice @ lattice.mT).flatten(1)[crystal_of_atom[receiver]],
                    _fourier(angles[sender] - angles[receiver]),
                ],
                -1,
            )
            message = nn.functional.silu(layer.message_out(nn.functional.silu(layer.message_in(edge))))
            heard = torch.cat([normed, _mean(message, receiver, len(atoms))], -1)
            update = nn.functional.silu(layer.update_out(nn.functional.silu(layer.update_in(heard))))
            atoms = atoms + update
        atoms = network.norm(atoms)
        factor = network.lattice_head(_mean(atoms, crystal_of_atom, len(num_atoms))).reshape(-1, 3, 3)
        return CSPNetOutput(network.displacement_head(atoms), factor @ lattice, network.type_head(atoms))


def _edges(num_atoms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Receiver and sender of every edge, crystal of every atom."""
    pairs, crystal_of_atom, first = [], [], 0
    for crystal, size in enumerate(num_atoms.tolist()):
        atoms = torch.arange(first, first + size)
        pairs.append(torch.cartesian_prod(atoms, atoms))
        crystal_of_atom.append(torch.full((size,), crystal))
        first += size
    receiver, sender = torch.cat(pairs).T
    return receiver, sender, torch.cat(crystal_of_atom)


def _fourier(angles: Tensor) -> Tensor:
    """The features sin kΔ and cos kΔ for k = 0 … 127, of differences in [−π, π]."""
    wrapped = angles - 2 * math.pi * torch.round(angles / (2 * math.pi))
    phase = (wrapped[..., None] * torch.arange(128).to(angles)).flatten(-2)
    return torch.cat([torch.sin(phase), torch.cos(phase)], -1)


def _mean(values: Tensor, index: Tensor, num: int) -> Tensor:
    """The mean of the values that have the same index."""
    places = index[:, None].expand_as(values)
    return values.new_zeros(num, values.shape[1]).scatter_reduce(0, places, values, "mean", include_self=False)
