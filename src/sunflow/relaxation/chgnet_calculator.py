"""CHGNet as an ASE calculator."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from sunflow.relaxation.bond_graph import BondGraph, bond_graph
from sunflow.relaxation.chgnet_layers import Bonds
from sunflow.relaxation.chgnet_network import CHGNetNetwork
from sunflow.relaxation.potential import EvaluationError


class CHGNetModel:
    """The network of a file of weights, on a GPU where there is one, and its cutoffs in Å."""

    def __init__(self, weights_file: Path) -> None:
        model = torch.load(weights_file, map_location="cpu", weights_only=True)["model"]
        self.cutoff = float(model["model_args"]["atom_graph_cutoff"])
        self.angle_cutoff = float(model["model_args"]["bond_graph_cutoff"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = CHGNetNetwork(model["state_dict"], self.cutoff, self.angle_cutoff).to(self.device)

    def energy_and_gradient(self, atomic_numbers: np.ndarray, graph: BondGraph) -> tuple[float, np.ndarray]:
        """Total energy in eV, and its derivative to every bond vector (eV/Å), from one backward pass."""
        vectors = torch.tensor(graph.vectors, device=self.device, requires_grad=True)
        numbers = torch.tensor(atomic_numbers, device=self.device)
        energy = self.network(numbers, vectors, Bonds.of(graph, self.device))
        (gradient,) = torch.autograd.grad(energy, vectors)
        return energy.item(), gradient.cpu().numpy()


class CHGNetCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) of one crystal."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, model: CHGNetModel) -> None:
        super().__init__()
        self.model = model

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: list[str] = all_changes
    ) -> None:
        """Evaluate all properties.

        Raises:
            EvaluationError: An atom has no neighbour within the cutoff, or the result is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        graph = bond_graph(self.atoms.positions, self.atoms.cell.array, self.model.cutoff, self.model.angle_cutoff)
        _refuse_isolated_atoms(graph, len(self.atoms), self.model.cutoff)
        energy, gradient = self.model.energy_and_gradient(self.atoms.numbers, graph)
        if not (np.isfinite(energy) and np.isfinite(gradient).all()):
            raise EvaluationError("numerical failure: energy or forces are not finite")
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, graph.first, gradient)
        np.add.at(forces, graph.second, -gradient)
        stress = graph.vectors.T @ gradient / self.atoms.get_volume()
        stress = full_3x3_to_voigt_6_stress((stress + stress.T) / 2)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}


def _refuse_isolated_atoms(graph: BondGraph, num_atoms: int, cutoff: float) -> None:
    bonds = np.bincount(np.concatenate([graph.first, graph.second]), minlength=num_atoms)
    if isolated := int((bonds == 0).sum()):
        raise EvaluationError(f"isolated atoms: {isolated} of {num_atoms} have no neighbour within {cutoff:g} Å")
