"""CrysBFN: a periodic Bayesian flow for material generation (Wu et al., ICLR 2025)."""

import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.euclidean import GaussianFlow
from sunflow.flows.joint import JointFlow
from sunflow.flows.noise import CrystalNoise
from sunflow.flows.simplex import CategoricalBelief, CategoricalFlow, draw_class
from sunflow.generators.coordinates import COORDINATES
from sunflow.generators.generator import Condition, Generator
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet
from sunflow.networks.embeddings import concentration_signal
from sunflow.networks.tabulated_cspnet import TabulatedCSPNet

#: How the next belief follows from the estimate: drawn afresh (the published code), or by Bayes' rule (algorithm 2).
SAMPLERS = {"redraw": JointFlow.redraw, "bayes": JointFlow.update}


class CrysBFN(Generator):
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
    ) -> None:
        super().__init__()
        num_types = len(statistics["atomic_numbers"])
        num_steps = len(accuracy_schedule)
        self.task = task
        self.final_accuracy = final_accuracy
        self.entropy_conditioning = entropy_conditioning
        self.time_conditioning = time_conditioning
        self.lattice_scale: float = statistics["lattice_scale"]
        self.register_buffer("atomic_numbers", torch.tensor(statistics["atomic_numbers"]), persistent=False)
        self.coordinates = COORDINATES[coordinates]
        positions = self.coordinates.flow(accuracy_schedule, loss=coordinate_loss, simulation=flow_simulation)
        fields = {"lattice": GaussianFlow(num_steps, lattice_sigma, shape=(3, 3)), "frac_coords": positions}
        if task == "generation":
            fields["atom_types"] = CategoricalFlow(num_steps, type_accuracy, num_types, loss=type_loss)
        self.flow = JointFlow(fields)
        self.network: CSPNet | TabulatedCSPNet = CSPNet(num_types, hidden_dim, num_layers, num_frequencies, time_dim)

    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """What it costs to transmit the crystals, as one random step tells it (algorithm 1), for every field."""
        graph = CompleteGraph.of(crystals.num_atoms, len(crystals.atomic_numbers), crystals.num_pairs)
        rows = _crystal_of_row(graph)
        step = noise.steps(self.flow.num_steps)
        x = self.encode(crystals)
        belief = _certain(x["atom_types"]) | self.flow.sample_flow(x, step - 1, rows, noise)
        x_hat = self.estimate(belief, (step - 1) / self.flow.num_steps, graph)
        return self.flow.loss(x, x_hat, step, rows, noise)

    def prepare_sampling(self) -> None:
        """Tabulate what the network computes of angles; training ends here.

        Not on a GPU, where reading a table takes about as long as the product in bfloat16 that it replaces.
        """
        if isinstance(self.network, CSPNet) and self.atomic_numbers.device.type == "cpu":
            self.network = TabulatedCSPNet(self.network)

    def sample(self, condition: Condition, seeds: Sequence[int], sampler: str = "redraw") -> CrystalBatch:
        """New crystals (algorithm 2), one per seed; the errors are those of `trajectory`."""
        *_, crystals = self.trajectory(condition, seeds, sampler, every=self.flow.num_steps)
        return crystals

    def trajectory(
        self, condition: Condition, seeds: Sequence[int], sampler: str = "redraw", every: int = 1
    ) -> Iterator[CrystalBatch]:
        """The estimate of every so many steps, with each atom's likeliest type, and then the crystals (algorithm 2).

        Raises:
            ValueError: The sampler is unknown, or the condition does not go with the task, seeds or train split.
        """
        if sampler not in SAMPLERS:
            raise ValueError(f"{sampler!r} is no sampler of crysbfn: known are {', '.join(SAMPLERS)}")
        self.check(condition, seeds)
        graph = CompleteGraph.of(condition.num_atoms)
        noise = CrystalNoise(seeds, condition.num_atoms.device)
        for step, x_hat in enumerate(self._estimates(condition, graph, noise, sampler), 1):
            if step == self.flow.num_steps:
                types = draw_class(x_hat["atom_types"], lambda *shape: noise.normal(graph.crystal_of_atom, *shape))
                yield self.decode(x_hat, types, graph)
            elif step % every == 0:
                yield self.decode(x_hat, x_hat["atom_types"].argmax(-1), graph)

    def _estimates(
        self, condition: Condition, graph: CompleteGraph, noise: CrystalNoise, sampler: str
    ) -> Iterator[dict[str, Tensor]]:
        """What the network makes of ever sharper beliefs."""
        rows = _crystal_of_row(graph)
        known = {} if condition.atomic_numbers is None else _certain(self._one_hot(condition.atomic_numbers))
        barred = torch.log(self._one_hot(condition.elements).sum(0)) if condition.elements is not None else 0.0
        estimate = torch.no_grad()(partial(self.estimate, graph=graph, barred=barred))
        next_belief, every = SAMPLERS[sampler], torch.ones_like(graph.num_atoms)
        belief = self.flow.prior(rows, noise)
        yield (x_hat := estimate(known | belief, every * 0.0))
        for step in range(1, self.flow.num_steps):
            belief = next_belief(self.flow, belief, x_hat, step * every, rows, noise)
            yield (x_hat := estimate(known | belief, every * (step / self.flow.num_steps)))

    def estimate(
        self, belief: dict[str, Any], time: Float[Tensor, " crystals"], graph: CompleteGraph, barred: Any = 0.0
    ) -> dict[str, Tensor]:
        """What the network makes of a belief: the crystals that it stands for; `barred` is added to type logits."""
        angles, concentration = self.coordinates.angles(belief["frac_coords"])
        types, lattice = belief["atom_types"].probabilities, belief["lattice"].mean
        signal = concentration_signal(concentration, self.final_accuracy) * self.entropy_conditioning
        output = self.network(2 * types - 1, angles, signal, lattice, time * self.time_conditioning, graph)
        return {
            "lattice": output.lattice,
            "frac_coords": self.coordinates.move(belief["frac_coords"], output.displacement),
            "atom_types": torch.softmax(output.type_logits + barred, -1) if self.task == "generation" else types,
        }

    def encode(self, crystals: CrystalBatch) -> dict[str, Tensor]:
        """Crystals as the flow knows them: scaled lattices, x of the coordinates and one-hot types."""
        return {
            "lattice": crystals.lattice / self.lattice_scale,
            "frac_coords": self.coordinates.encode(crystals.frac_coords),
            "atom_types": self._one_hot(crystals.atomic_numbers),
        }

    def decode(self, x_hat: dict[str, Tensor], types: Int[Tensor, " atoms"], graph: CompleteGraph) -> CrystalBatch:
        """The crystals of an estimate, with these types.

        Atomic numbers cannot say that they went wrong, so the lattice says it for them: by entries that are not finite.
        """
        fault = graph.mean_of_atoms(x_hat["atom_types"].sum(-1, keepdim=True) * 0)
        return CrystalBatch(
            lattice=x_hat["lattice"] * self.lattice_scale + fault[..., None],
            frac_coords=self.coordinates.decode(x_hat["frac_coords"]),
            atomic_numbers=self.atomic_numbers[types],
            num_atoms=graph.num_atoms,
        )

    def _one_hot(self, atomic_numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms types"]:
        """The type of every atom; zeros for an element that the train split has not."""
        return (atomic_numbers[:, None] == self.atomic_numbers).to(torch.get_default_dtype())


def _certain(one_hot: Float[Tensor, "atoms types"]) -> dict[str, CategoricalBelief]:
    """The belief of one who knows the atom types."""
    return {"atom_types": CategoricalBelief(torch.log(one_hot))}


def _crystal_of_row(graph: CompleteGraph) -> dict[str, Int[Tensor, " _rows"]]:
    """Lattices belong to crystals as they come, coordinates and types by their atom."""
    crystals = torch.arange(len(graph.num_atoms), device=graph.num_atoms.device)
    return {"lattice": crystals, "frac_coords": graph.crystal_of_atom, "atom_types": graph.crystal_of_atom}


def build(
    task: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> CrysBFN:
    """A CrysBFN with fresh weights; `num_steps` and `schedule` of `model` name the accuracy schedule that is given.

    Raises:
        ValueError: A hyper-parameter is unknown, or the accuracy schedule missing or of another length.
    """
    of_network = {name: value for name, value in model.items() if name not in ("num_steps", "schedule")}
    known = list(inspect.signature(CrysBFN).parameters)[3:]
    for name in of_network:
        if name not in known:
            raise ValueError(f"model.{name} is no hyper-parameter of crysbfn: known are {', '.join(known)}")
    if accuracy_schedule is None:
        raise ValueError("crysbfn needs an accuracy schedule, and none is given")
    num_steps = len(accuracy_schedule)
    if model.get("num_steps", num_steps) != num_steps:
        raise ValueError(f"model.num_steps is {model['num_steps']}, but the accuracy schedule has {num_steps} steps")
    return CrysBFN(task, statistics, accuracy_schedule, **of_network)
