"""Random inputs of a CSPNet, and a plain one that loops over crystals: what the others are held against."""

import math

import torch
from torch.nn.functional import silu

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNetOutput

SIZES = [3, 1, 5, 52]
NUM_TYPES = 4


def inputs(sizes, num_types=NUM_TYPES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    atoms, crystals = sum(sizes), len(sizes)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return {
        "types": 2 * torch.softmax(rand(atoms, num_types), -1) - 1,
        "angles": 2 * math.pi * (rand(atoms, 3) - 0.5),
        "signal": rand(atoms, 3),
        "lattice": 2 * rand(crystals, 3, 3) - 1,
        "time": rand(crystals),
    }


def run(network, given, sizes=SIZES):
    return network(**given, graph=CompleteGraph.of(torch.tensor(sizes)))


def plain_output(network, given, sizes):
    time = network.context.time_embedding(given["time"]).repeat_interleave(torch.tensor(sizes), 0)
    h = network.atom_embedding(torch.cat([network.type_embedding(given["types"]), time, given["signal"]], -1))
    crystals = zip(h.split(sizes), given["angles"].split(sizes), given["lattice"], strict=True)
    return CSPNetOutput(*map(torch.cat, zip(*(of_crystal(network, *crystal) for crystal in crystals), strict=True)))


def of_crystal(network, h, angles, lattice):
    n = len(h)
    for layer in network.rounds.layers:
        normed = layer.norm(h)
        edge = [normed[:, None].expand(n, n, -1), normed[None].expand(n, n, -1)]
        edge += [(lattice @ lattice.T).flatten().expand(n, n, -1)]
        edge += [network.rounds.fourier_features((angles[None] - angles[:, None]).reshape(n * n, 3)).reshape(n, n, -1)]
        heard = silu(layer.message_out(silu(layer.message_in(torch.cat(edge, -1))))).mean(1)
        h = h + silu(layer.update_out(silu(layer.update_in(torch.cat([normed, heard], -1)))))
    h = network.norm(h)
    factor = network.lattice_head(h.mean(0)).reshape(3, 3)
    return network.displacement_head(h), (factor @ lattice)[None], network.type_head(h)
