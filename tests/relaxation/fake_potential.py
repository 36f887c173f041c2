"""A batched Lennard-Jones potential that misbehaves for some elements, as real ones do, and loads at once."""

import os
import time

import torch

from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.neighbors import NeighborList
from sunflow.relaxation.potential import Evaluation

ARGON, KILLS, NOT_A_NUMBER, EXPLODES, REFUSES, SLOW, GOES_MAD, BUG = 18, 36, 54, 10, 2, 86, 85, 84
SWELLS, SHRINKS = 82, 83
SIGMA, EPSILON, CUTOFF = 3.4, 0.0104, 8.0


class FakePotential:
    name = "fake-1"
    weights_hash = "0" * 64
    atomic_numbers = frozenset({ARGON, KILLS, NOT_A_NUMBER, EXPLODES, REFUSES, SLOW, GOES_MAD, BUG, SWELLS, SHRINKS})
    energy_scale = None

    def __init__(self, most_atoms=10**9):
        self.most_atoms = most_atoms

    def evaluator(self, device):
        return FakeEvaluator(device, self.most_atoms)


class FakeEvaluator:
    """Whoever has more than `most_atoms` at once runs out of memory."""

    def __init__(self, device, most_atoms):
        self.device, self.most_atoms = device, most_atoms
        self.neighbors = NeighborList(CUTOFF, 0.5)
        self.batches = []

    def evaluate(self, geometry: Geometry) -> Evaluation:
        self.batches.append(geometry.num_atoms.tolist())
        if len(geometry.positions) > self.most_atoms:
            raise torch.OutOfMemoryError("out of memory")
        kinds = geometry.atomic_numbers
        if (kinds == KILLS).any():
            os._exit(7)
        if (kinds == BUG).any():
            raise KeyError("a bug")
        if (kinds == SLOW).any():
            time.sleep(0.05)
        evaluation = self._lennard_jones(geometry)
        owner = geometry.crystal_of_atom
        evaluation.forces[kinds == NOT_A_NUMBER] = torch.nan
        evaluation.energies[owner[kinds == EXPLODES]] = 1e9
        evaluation.stresses[owner[kinds == SWELLS]] = -0.1 * torch.eye(3, dtype=torch.float64)
        evaluation.stresses[owner[kinds == SHRINKS]] = 10 * torch.eye(3, dtype=torch.float64)
        mad = kinds == GOES_MAD
        evaluation.forces[mad] = 1e3 * torch.sin(1e3 * geometry.positions[mad])
        refusals = {index: "isolated atoms: by decree" for index in owner[kinds == REFUSES].tolist()}
        return Evaluation(evaluation.energies, evaluation.forces, evaluation.stresses, refusals)

    def size(self, crystal):
        return float(crystal.num_atoms * 100)

    def _lennard_jones(self, geometry):
        pairs = self.neighbors.pairs(geometry)
        vectors = pairs.vectors(geometry).requires_grad_()
        squared = (vectors**2).sum(1)
        sixth = torch.where(squared < CUTOFF**2, (SIGMA**2 / squared) ** 3, 0.0)
        switch = (1 - squared / CUTOFF**2).clamp(min=0.0) ** 2
        each = 4 * EPSILON * (sixth**2 - sixth) * switch
        (gradient,) = torch.autograd.grad(each.sum(), vectors)
        energies = torch.zeros(len(geometry), dtype=torch.float64).index_add(0, pairs.crystal, each.detach())
        forces = torch.zeros_like(geometry.positions)
        forces = forces.index_add(0, pairs.first, gradient).index_add(0, pairs.second, -gradient)
        products = vectors.detach()[:, :, None] * gradient[:, None, :]
        virials = torch.zeros_like(geometry.lattices).index_add(0, pairs.crystal, products)
        return Evaluation(energies, forces, (virials + virials.mT) / (2 * geometry.volumes[:, None, None]), {})


def load() -> FakePotential:
    return FakePotential()


def dies_while_loading() -> FakePotential:
    os._exit(3)
