"""CHGNet 0.3.0 as an ASE calculator; its weights come with the `chgnet` package, which itself is not imported."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from sunflow.provenance import file_hash
from sunflow.relaxation.bond_graph import BondGraph, bond_graph
from sunflow.relaxation.chgnet_layers import Bonds
from sunflow.relaxation.chgnet_network import CHGNetNetwork
from sunflow.relaxation.potential import EvaluationError

VERSION = "0.3.0"


class CHGNet:
    """The potential: weights, their hash, and calculators over them (on a GPU where there is one)."""

    name = f"chgnet-{VERSION}"

    def __init__(self, weights_file: Path) -> None:
        self.weights_hash = file_hash(weights_file)
        model = torch.load(weights_file, map_location="cpu", weights_only=True)["model"]
        self.cutoff = float(model["model_args"]["atom_graph_cutoff"])
        self.angle_cutoff = float(model["model_args"]["bond_graph_cutoff"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = CHGNetNetwork(model["state_dict"], self.cutoff, self.angle_cutoff).to(self.device)
        self.atomic_numbers = frozenset(range(1, self.network.atom_embedding.num_embeddings + 1))

    def calculator(self) -> "CHGNetCalculator":
        """A new ASE calculator."""
        return CHGNetCalculator(self)


def load() -> CHGNet:
    """The weights that the installed `chgnet` package carries.

    Raises:
        FileNotFoundError: The package is not installed, or carries other weights.
    """
    package = find_spec("chgnet")
    folder = Path(package.origin).parent / "pretrained" / VERSION if package and package.origin else None
    found = sorted(folder.glob("*.pth.tar")) if folder else []
    if len(found) != 1:
        raise FileNotFoundError(f"no weights of CHGNet {VERSION} in {folder}: install chgnet==0.4.2")
    return CHGNet(found[0])


class CHGNetCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) of one crystal, from one backward pass."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: CHGNet) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: list[str] = all_changes
    ) -> None:
        """Evaluate all properties.

        Raises:
            EvaluationError: An atom has no neighbour within the cutoff, or the result is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        graph = bond_graph(
            self.atoms.positions, self.atoms.cell.array, self.potential.cutoff, self.potential.angle_cutoff
        )
        _refuse_isolated_atoms(graph, len(self.atoms), self.potential.cutoff)
        energy, gradient = self._energy_and_gradient(graph)
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, graph.first, gradient)
        np.add.at(forces, graph.second, -gradient)
        stress = graph.vectors.T @ gradient / self.atoms.get_volume()
        if not (np.isfinite(energy) and np.isfinite(gradient).all()):
            raise EvaluationError("numerical failure: energy or forces are not finite")
        stress = full_3x3_to_voigt_6_stress((stress + stress.T) / 2)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces, "stress": stress}

    def _energy_and_gradient(self, graph: BondGraph) -> tuple[float, np.ndarray]:
        """Total energy, and its derivative to every bond vector."""
        device = self.potential.device
        vectors = torch.tensor(graph.vectors, device=device, requires_grad=True)
        atomic_numbers = torch.tensor(self.atoms.numbers, device=device)
        energy = self.potential.network(atomic_numbers, vectors, Bonds.of(graph, device))
        (gradient,) = torch.autograd.grad(energy, vectors)
        return energy.item(), gradient.cpu().numpy()


def _refuse_isolated_atoms(graph: BondGraph, num_atoms: int, cutoff: float) -> None:
    bonds = np.bincount(np.concatenate([graph.first, graph.second]), minlength=num_atoms)
    if isolated := int((bonds == 0).sum()):
        raise EvaluationError(f"isolated atoms: {isolated} of {num_atoms} have no neighbour within {cutoff:g} Å")
