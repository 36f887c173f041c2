"""CrysBFN: a periodic Bayesian flow for material generation (Wu et al., ICLR 2025)."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.euclidean import GaussianFlow
from sunflow.flows.joint import JointFlow
from sunflow.flows.simplex import CategoricalFlow
from sunflow.generators.bayesian_flow_network import BayesianFlowNetwork, Given, checked_model, crystal_of_row
from sunflow.generators.coordinates import COORDINATES
from sunflow.generators.guidance import guided
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet
from sunflow.networks.embeddings import concentration_signal


class CrysBFN(BayesianFlowNetwork):
    """Lattices, coordinates and atom types in one flow, with a network that sees the entropy of its belief.

    In structure prediction the types are known: they are given to the network and have no flow. The weights do not
    depend on the accuracy schedule: a generator with another number of steps can use them.

    Args:
        task: A key of `TASKS`.
        statistics: Of the train split.
        accuracy_schedule: Of the sender of coordinates, one value per step.
        hidden_dim: Of the network, as the next three.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis.
        time_dim: Length of the time embedding.
        final_accuracy: Concentration of the coordinates at the end, that the schedule was made for.
        lattice_sigma: σ₁, standard deviation of the scaled lattice at the end.
        type_accuracy: β₁ of the atom types.
        coordinates: A key of `COORDINATES`: the manifold of the coordinates' flow.
        flow_simulation: How beliefs about coordinates are drawn in training, `direct` or `iterated`.
        coordinate_loss: `wrapped_mse` (published code) or `kl` (the paper).
        type_loss: `continuous` (published code) or `discrete` (the paper).
        entropy_conditioning: Whether the network is told how concentrated its belief is.
        time_conditioning: Whether it is told the time.
        property: The numeric column of the dataset that crystals can be asked for; None for nothing.
        property_dropout: The share of train crystals whose property is kept from the network.
    """

    def __init__(
        self,
        task: str,
        statistics: dict[str, Any],
        accuracy_schedule: Float[Tensor, " steps"],
        *,
        hidden_dim: int = 512,
        num_layers: int = 6,
        num_frequencies: int = 128,
        time_dim: int = 128,
        final_accuracy: float = 1000.0,
        lattice_sigma: float = 0.001**0.5,
        type_accuracy: float = 0.5,
        coordinates: str = "torus",
        flow_simulation: str = "direct",
        coordinate_loss: str = "wrapped_mse",
        type_loss: str = "continuous",
        entropy_conditioning: bool = True,
        time_conditioning: bool = True,
        property: str | None = None,
        property_dropout: float = 0.1,
    ) -> None:
        super().__init__(task, statistics, property, property_dropout)
        num_types = len(statistics["atomic_numbers"])
        num_steps = len(accuracy_schedule)
        self.final_accuracy = final_accuracy
        self.entropy_conditioning = entropy_conditioning
        self.time_conditioning = time_conditioning
        self.lattice_scale: float = statistics["lattice_scale"]
        self.coordinates = COORDINATES[coordinates]
        positions = self.coordinates.flow(accuracy_schedule, loss=coordinate_loss, simulation=flow_simulation)
        fields = {"lattice": GaussianFlow(num_steps, lattice_sigma, shape=(3, 3)), "frac_coords": positions}
        if task == "generation":
            fields["atom_types"] = CategoricalFlow(num_steps, type_accuracy, num_types, loss=type_loss)
        self.flow = JointFlow(fields)
        sizes = (hidden_dim, num_layers, num_frequencies, time_dim, time_dim if property else 0)
        self.network = CSPNet(num_types, *sizes)

    def rows(self, graph: CompleteGraph) -> Mapping[str, Int[Tensor, " _rows"]]:
        """The crystal of every row, for every field."""
        return crystal_of_row(graph)

    def estimate(self, belief: dict[str, Any], time: Float[Tensor, " crystals"], given: Given) -> dict[str, Tensor]:
        """What the network makes of a belief: x of the crystals that it stands for."""
        angles, concentration = self.coordinates.angles(belief["frac_coords"])
        types, lattice = belief["atom_types"].probabilities, belief["lattice"].mean
        signal = concentration_signal(concentration, self.final_accuracy) * self.entropy_conditioning
        known = (2 * types - 1, angles, signal, lattice, time * self.time_conditioning, given.graph)
        output = guided(lambda target: self.network(*known, target), given.target, given.guidance)
        return {
            "lattice": output.lattice,
            "frac_coords": self.coordinates.move(belief["frac_coords"], output.displacement),
            "atom_types": torch.softmax(output.type_logits + given.barred, -1) if self.task == "generation" else types,
        }

    def encode(self, crystals: CrystalBatch) -> dict[str, Tensor]:
        """Crystals as the flow knows them: scaled lattices, x of the coordinates and one-hot types."""
        return {
            "lattice": crystals.lattice / self.lattice_scale,
            "frac_coords": self.coordinates.encode(crystals.frac_coords),
            "atom_types": self.one_hot(crystals.atomic_numbers),
        }

    def decode(self, x_hat: dict[str, Tensor], types: Int[Tensor, " atoms"], given: Given) -> CrystalBatch:
        """The crystals of an estimate, with these types.

        Atomic numbers cannot say that they went wrong, so the lattice says it for them: by entries that are not finite.
        """
        fault = given.graph.mean_of_atoms(x_hat["atom_types"].sum(-1, keepdim=True) * 0)
        return CrystalBatch(
            lattice=x_hat["lattice"] * self.lattice_scale + fault[..., None],
            frac_coords=self.coordinates.decode(x_hat["frac_coords"]),
            atomic_numbers=self.atomic_numbers[types],
            num_atoms=given.graph.num_atoms,
        )


def build(
    task: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> CrysBFN:
    """A CrysBFN with fresh weights; `num_steps` and `schedule` of `model` name the accuracy schedule that is given.

    Raises:
        ValueError: A hyper-parameter is unknown, or the accuracy schedule missing or of another length.
    """
    accuracies, choices = checked_model(CrysBFN, model, accuracy_schedule)
    return CrysBFN(task, statistics, accuracies, **choices)
