"""A plain CSPNet to measure against: torch-geometric, everything concatenated, everything recomputed in every layer."""

import math

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.pool import global_mean_pool

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.csp_layers import CSPLayer
from sunflow.networks.cspnet import CSPNet, CSPNetOutput


class PlainCSPNet(nn.Module):
    """The network of the paper as one would write it down, with the parameters of a `CSPNet`."""

    def __init__(self, network: CSPNet) -> None:
        super().__init__()
        self.network = network
        self.messages = [PlainMessages(layer) for layer in network.rounds.layers]

    def forward(
        self,
        types: Tensor,
        angles: Tensor,
        signal: Tensor,
        lattice: Tensor,
        time: Tensor,
        graph: CompleteGraph,
        target: None = None,
    ) -> CSPNetOutput:
        """As `CSPNet.forward`; of the graph, the sizes alone are used."""
        edge_index, batch = _edges(graph.num_atoms)
        frequencies = 1000 * torch.exp(-math.log(10_000) / 63 * torch.arange(64))
        phase = time[:, None] * frequencies.to(time)
        time_of_atom = torch.cat([torch.sin(phase), torch.cos(phase)], -1)[batch]
        network = self.network
        h = network.atom_embedding(torch.cat([network.type_embedding(types), time_of_atom, signal], -1))
        for layer, messages in zip(network.rounds.layers, self.messages, strict=True):
            normed = layer.norm(h)
            heard = torch.cat([normed, messages(normed, angles, lattice, edge_index, batch)], -1)
            h = h + nn.functional.silu(layer.update_out(nn.functional.silu(layer.update_in(heard))))
        h = network.norm(h)
        factor = network.lattice_head(global_mean_pool(h, batch)).reshape(-1, 3, 3)
        return CSPNetOutput(network.displacement_head(h), factor @ lattice, network.type_head(h))


class PlainMessages(MessagePassing):
    """The mean of the messages that an atom hears."""

    def __init__(self, layer: CSPLayer) -> None:
        super().__init__(aggr="mean")
        self.layer = [layer]  # in a list, for the parameters are those of the network already

    def forward(self, h: Tensor, angles: Tensor, lattice: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        """The graph's Fourier features and metric, computed here, then `message` on every edge."""
        sender, receiver = edge_index
        gram = (lattice @ lattice.mT).flatten(1)[batch[receiver]]
        fourier = _fourier(angles[sender] - angles[receiver])
        return self.propagate(edge_index, h=h, gram=gram, fourier=fourier)

    def message(self, h_i: Tensor, h_j: Tensor, gram: Tensor, fourier: Tensor) -> Tensor:
        """From the sender j to the receiver i."""
        silu = nn.functional.silu
        edge = torch.cat([h_i, h_j, gram, fourier], -1)
        return silu(self.layer[0].message_out(silu(self.layer[0].message_in(edge))))


def _edges(num_atoms: Tensor) -> tuple[Tensor, Tensor]:
    """Sender and receiver of every edge; crystal of every atom."""
    pairs, batch, first = [], [], 0
    for crystal, size in enumerate(num_atoms.tolist()):
        atoms = torch.arange(first, first + size)
        pairs.append(torch.cartesian_prod(atoms, atoms))
        batch.append(torch.full((size,), crystal))
        first += size
    receiver, sender = torch.cat(pairs).T
    return torch.stack([sender, receiver]), torch.cat(batch)


def _fourier(angles: Tensor) -> Tensor:
    """The features sin kΔ and cos kΔ for k = 0 … 127, of differences in [−π, π]."""
    wrapped = angles - 2 * math.pi * torch.round(angles / (2 * math.pi))
    phase = (wrapped[..., None] * torch.arange(128).to(angles)).flatten(-2)
    return torch.cat([torch.sin(phase), torch.cos(phase)], -1)
