"""CrysBFN: a periodic Bayesian flow for material generation (Wu et al., ICLR 2025)."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.euclidean import GaussianFlow
from sunflow.flows.joint import JointFlow
from sunflow.flows.noise import BatchNoise, CrystalNoise
from sunflow.flows.simplex import CategoricalFlow, draw_class
from sunflow.flows.torus import VonMisesFlow, to_angles, to_frac_coords, wrap
from sunflow.generators.generator import Condition, Generator
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet
from sunflow.networks.embeddings import concentration_signal

#: How the next belief follows from the estimate: drawn afresh (the published code), or by Bayes' rule (algorithm 2).
SAMPLERS = {"redraw": JointFlow.redraw, "bayes": JointFlow.update}


class CrysBFN(Generator):
    """Lattices, coordinates and atom types in one flow, with a network that sees the entropy of its belief.

    The weights do not depend on the accuracy schedule: a generator with another number of steps can use them.

    Args:
        statistics: Of the train split.
        accuracy_schedule: Of the sender of coordinates, one value per step.
        hidden_dim: Of the network, as the next three.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis.
        time_dim: Length of the time embedding.
        final_accuracy: Concentration of the coordinates at the end, that the schedule was made for.
        lattice_sigma: σ₁, standard deviation of the scaled lattice at the end.
        type_accuracy: β₁ of the atom types.
    """

    def __init__(
        self,
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
    ) -> None:
        super().__init__()
        num_types = len(statistics["atomic_numbers"])
        num_steps = len(accuracy_schedule)
        self.final_accuracy = final_accuracy
        self.lattice_scale: float = statistics["lattice_scale"]
        self.register_buffer("atomic_numbers", torch.tensor(statistics["atomic_numbers"]), persistent=False)
        self.flow = JointFlow(
            {
                "lattice": GaussianFlow(num_steps, lattice_sigma, shape=(3, 3)),
                "frac_coords": VonMisesFlow(accuracy_schedule, shape=(3,)),
                "atom_types": CategoricalFlow(num_steps, type_accuracy, num_types),
            }
        )
        self.network = CSPNet(num_types, hidden_dim, num_layers, num_frequencies, time_dim)

    atomic_numbers: Tensor

    def loss(self, crystals: CrystalBatch, generator: torch.Generator) -> dict[str, Float[Tensor, ""]]:
        """What it costs to transmit the crystals, as one random step tells it (algorithm 1), for every field.

        Raises:
            ValueError: A crystal holds an element that the train split has not.
        """
        graph = CompleteGraph.of(crystals.num_atoms)
        rows = _crystal_of_row(graph)
        noise = BatchNoise(generator)
        step = noise.steps(len(crystals), self.flow.num_steps).to(crystals.num_atoms.device)
        x = self.encode(crystals)
        belief = self.flow.sample_flow(x, step - 1, rows, noise)
        x_hat = self.estimate(belief, (step - 1) / self.flow.num_steps, graph)
        return self.flow.loss(x, x_hat, step, rows)

    @torch.no_grad()
    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str = "redraw") -> CrystalBatch:
        """New crystals of the given sizes (algorithm 2), one per seed.

        Raises:
            ValueError: The sampler is unknown, or there are not as many seeds as crystals.
        """
        if sampler not in SAMPLERS:
            raise ValueError(f"{sampler!r} is no sampler of crysbfn: known are {', '.join(SAMPLERS)}")
        if len(seeds) != len(condition.num_atoms):
            raise ValueError(f"{len(condition.num_atoms)} crystals are asked for, but {len(seeds)} seeds given")
        graph = CompleteGraph.of(condition.num_atoms)
        rows = _crystal_of_row(graph)
        noise = CrystalNoise(seeds, condition.num_atoms.device)
        next_belief = SAMPLERS[sampler]
        belief = self.flow.prior(rows, noise)
        x_hat = self.estimate(belief, self._time(0, graph), graph)
        for step in range(1, self.flow.num_steps):
            belief = next_belief(self.flow, belief, x_hat, torch.full_like(condition.num_atoms, step), rows, noise)
            x_hat = self.estimate(belief, self._time(step, graph), graph)
        return self.decode(x_hat, graph, noise)

    def _time(self, num_observations: int, graph: CompleteGraph) -> Float[Tensor, " crystals"]:
        """The time after so many observations, for every crystal."""
        device = graph.num_atoms.device
        return torch.full((len(graph.num_atoms),), num_observations / self.flow.num_steps, device=device)

    def estimate(
        self, belief: dict[str, Any], time: Float[Tensor, " crystals"], graph: CompleteGraph
    ) -> dict[str, Tensor]:
        """What the network makes of a belief: the crystals that it stands for."""
        angles, concentration = belief["frac_coords"]
        lattice = belief["lattice"].mean
        types = 2 * belief["atom_types"].probabilities - 1
        signal = concentration_signal(concentration, self.final_accuracy)
        output = self.network(types, angles, signal, lattice, time, graph)
        return {
            "lattice": output.lattice,
            "frac_coords": wrap(angles + output.displacement),
            "atom_types": torch.softmax(output.type_logits, -1),
        }

    def encode(self, crystals: CrystalBatch) -> dict[str, Tensor]:
        """Crystals as the flow knows them: scaled lattices, angles and one-hot types."""
        one_hot = crystals.atomic_numbers[:, None] == self.atomic_numbers
        if not one_hot.any(-1).all():
            unknown = crystals.atomic_numbers[~one_hot.any(-1)].unique().tolist()
            raise ValueError(f"the train split has no atoms of atomic numbers {unknown}, which a crystal to learn has")
        return {
            "lattice": crystals.lattice / self.lattice_scale,
            "frac_coords": to_angles(crystals.frac_coords),
            "atom_types": one_hot.to(crystals.lattice.dtype),
        }

    def decode(self, x_hat: dict[str, Tensor], graph: CompleteGraph, noise: CrystalNoise) -> CrystalBatch:
        """The crystals of an estimate, with a type drawn for every atom.

        Atomic numbers cannot say that they went wrong, so the lattice says it for them: by entries that are not finite.
        """
        probabilities = x_hat["atom_types"]
        types = draw_class(probabilities, lambda *shape: noise.normal(graph.crystal_of_atom, *shape))
        fault = graph.mean_of_atoms(probabilities.sum(-1, keepdim=True) * 0)
        return CrystalBatch(
            lattice=x_hat["lattice"] * self.lattice_scale + fault[..., None],
            frac_coords=to_frac_coords(x_hat["frac_coords"]),
            atomic_numbers=self.atomic_numbers[types],
            num_atoms=graph.num_atoms,
        )


def _crystal_of_row(graph: CompleteGraph) -> dict[str, Int[Tensor, " _rows"]]:
    """Lattices belong to crystals as they come, coordinates and types by their atom."""
    crystals = torch.arange(len(graph.num_atoms), device=graph.num_atoms.device)
    return {"lattice": crystals, "frac_coords": graph.crystal_of_atom, "atom_types": graph.crystal_of_atom}


def build(
    model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> CrysBFN:
    """A CrysBFN with fresh weights; `num_steps` and `schedule` of `model` name the accuracy schedule that is given.

    Raises:
        ValueError: A hyper-parameter is unknown, or the accuracy schedule missing or of another length.
    """
    of_network = {name: value for name, value in model.items() if name not in ("num_steps", "schedule")}
    known = list(inspect.signature(CrysBFN).parameters)[2:]
    for name in of_network:
        if name not in known:
            raise ValueError(f"model.{name} is no hyper-parameter of crysbfn: known are {', '.join(known)}")
    if accuracy_schedule is None:
        raise ValueError("crysbfn needs an accuracy schedule, and none is given")
    num_steps = len(accuracy_schedule)
    if model.get("num_steps", num_steps) != num_steps:
        raise ValueError(f"model.num_steps is {model['num_steps']}, but the accuracy schedule has {num_steps} steps")
    return CrysBFN(statistics, accuracy_schedule, **of_network)
