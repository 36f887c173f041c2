"""What generators by Bayesian flow have in common: their loss, their sampler and what they may be asked for."""

import inspect
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.joint import JointFlow
from sunflow.flows.noise import CrystalNoise
from sunflow.flows.simplex import CategoricalBelief, draw_class
from sunflow.generators.generator import Condition, Generator
from sunflow.generators.guidance import Guidance, Target
from sunflow.generators.precedents import Precedents
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.csp_layers import CSPLayers
from sunflow.networks.tabulated_csp_layers import tabulated

#: How the next belief follows from the estimate: drawn afresh (CrysBFN's code), or by Bayes' rule (algorithm 2).
SAMPLERS = {"redraw": JointFlow.redraw, "bayes": JointFlow.update}


@dataclass(frozen=True)
class Given:
    """What the network is told besides its belief.

    Attributes:
        graph: Of the atoms.
        space_group: Of every crystal, for asymmetric units.
        target: The property that is asked for, standardised.
        guidance: How much the target counts.
        barred: Added to the logits of types: −∞ for elements that are not allowed.
    """

    graph: CompleteGraph
    space_group: Int[Tensor, " crystals"] | None = None
    target: Target = None
    guidance: float = 1.0
    barred: Any = 0.0


class BayesianFlowNetwork(Generator):
    """A joint flow and a network that estimates crystals from beliefs.

    Args:
        task: A key of `TASKS`.
        statistics: Of the train split.
        property: The numeric column that crystals can be asked for; None for nothing.
        property_dropout: The share of train crystals whose property is kept from the network.
    """

    flow: JointFlow
    network: nn.Module

    def __init__(
        self, task: str, statistics: dict[str, Any], property: str | None = None, property_dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.task = task
        self.property = property
        self.guidance = Guidance(property, property_dropout, statistics)
        self.precedents = Precedents() if property or self.asymmetric else None
        self.register_buffer("atomic_numbers", torch.tensor(statistics["atomic_numbers"]), persistent=False)

    @abstractmethod
    def encode(self, crystals: CrystalBatch) -> dict[str, Tensor]:
        """Crystals as the flow knows them: x of every field."""

    @abstractmethod
    def estimate(self, belief: dict[str, Any], time: Float[Tensor, " crystals"], given: Given) -> dict[str, Tensor]:
        """What the network makes of a belief: x of the crystals that it stands for."""

    @abstractmethod
    def decode(self, x_hat: dict[str, Tensor], types: Int[Tensor, " atoms"], given: Given) -> CrystalBatch:
        """The crystals of an estimate, with these types."""

    @abstractmethod
    def rows(self, graph: CompleteGraph) -> Mapping[str, Int[Tensor, " _rows"]]:
        """The crystal of every row, for every field."""

    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """What it costs to transmit the crystals, as one random step tells it (algorithm 1), for every field."""
        graph = CompleteGraph.of(crystals.num_atoms, len(crystals.atomic_numbers), crystals.num_pairs)
        rows = self.rows(graph)
        step = noise.steps(self.flow.num_steps)
        x = self.encode(crystals)
        belief = certain(x["atom_types"]) | self.flow.sample_flow(x, step - 1, rows, noise)
        given = Given(graph, crystals.space_group, self.guidance.of_training(crystals, noise))
        x_hat = self.estimate(belief, (step - 1) / self.flow.num_steps, given)
        return self.flow.loss(x, x_hat, step, rows, noise)

    def prepare_sampling(self) -> None:
        """Tabulate what the network computes of angles; training ends here.

        Not on a GPU, where reading a table takes about as long as the product in bfloat16 that it replaces.
        """
        if isinstance(self.network.rounds, CSPLayers) and self.atomic_numbers.device.type == "cpu":
            self.network = tabulated(self.network)

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
        given = self.given(condition)
        for x_hat, types in self.stations(condition, given, seeds, sampler, every):
            yield self.decode(x_hat, types, given)

    def stations(
        self, condition: Condition, given: Given, seeds: Sequence[int], sampler: str, every: int
    ) -> Iterator[tuple[dict[str, Tensor], Int[Tensor, " atoms"]]]:
        """Estimates and types of a trajectory; the arguments and errors are its, and what the condition gives."""
        if sampler not in SAMPLERS:
            kind = type(self).__name__.lower()
            raise ValueError(f"{sampler!r} is no sampler of {kind}: known are {', '.join(SAMPLERS)}")
        self.check(condition, seeds)
        noise = CrystalNoise(seeds, condition.num_atoms.device)
        for step, x_hat in enumerate(self._estimates(condition, given, noise, sampler), 1):
            if step == self.flow.num_steps:
                yield x_hat, draw_class(x_hat["atom_types"], partial(noise.normal, given.graph.crystal_of_atom))
            elif step % every == 0:
                yield x_hat, x_hat["atom_types"].argmax(-1)

    def given(self, condition: Condition) -> Given:
        """What the network is told of a condition."""
        barred = 0.0 if condition.elements is None else torch.log(self.one_hot(condition.elements).sum(0))
        graph, target = CompleteGraph.of(condition.num_atoms), self.guidance.of_sampling(condition)
        return Given(graph, condition.space_group, target, condition.guidance, barred)

    def _estimates(
        self, condition: Condition, given: Given, noise: CrystalNoise, sampler: str
    ) -> Iterator[dict[str, Tensor]]:
        """What the network makes of ever sharper beliefs."""
        rows = self.rows(given.graph)
        known = {} if condition.atomic_numbers is None else certain(self.one_hot(condition.atomic_numbers))
        estimate = torch.no_grad()(partial(self.estimate, given=given))
        next_belief, every = SAMPLERS[sampler], torch.ones_like(condition.num_atoms)
        belief = self.flow.prior(rows, noise)
        yield (x_hat := self.confined(estimate(known | belief, every * 0.0)))
        for step in range(1, self.flow.num_steps):
            belief = next_belief(self.flow, belief, x_hat, step * every, rows, noise)
            yield (x_hat := self.confined(estimate(known | belief, every * (step / self.flow.num_steps))))

    def confined(self, x_hat: dict[str, Tensor]) -> dict[str, Tensor]:
        """An estimate as sampling takes it, which training does not."""
        return x_hat

    def one_hot(self, atomic_numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms types"]:
        """The type of every atom; zeros for an element that the train split has not."""
        return (atomic_numbers[:, None] == self.atomic_numbers).to(torch.get_default_dtype())


def certain(one_hot: Float[Tensor, "atoms types"]) -> dict[str, CategoricalBelief]:
    """The belief of one who knows the atom types."""
    return {"atom_types": CategoricalBelief(torch.log(one_hot))}


def crystal_of_row(graph: CompleteGraph) -> dict[str, Int[Tensor, " _rows"]]:
    """Lattices belong to crystals as they come, coordinates and types by their atom."""
    crystals = torch.arange(len(graph.num_atoms), device=graph.num_atoms.device)
    return {"lattice": crystals, "frac_coords": graph.crystal_of_atom, "atom_types": graph.crystal_of_atom}


def checked_model(
    kind: type[BayesianFlowNetwork], model: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> tuple[Float[Tensor, " steps"], dict[str, Any]]:
    """The accuracy schedule, and the hyper-parameters but `num_steps` and `schedule`, which name it.

    Raises:
        ValueError: A hyper-parameter is unknown, or the accuracy schedule missing or of another length.
    """
    name = kind.__name__.lower()
    of_network = {key: value for key, value in model.items() if key not in ("num_steps", "schedule")}
    known = list(inspect.signature(kind).parameters)[3:]
    for key in of_network:
        if key not in known:
            raise ValueError(f"model.{key} is no hyper-parameter of {name}: known are {', '.join(known)}")
    if accuracy_schedule is None:
        raise ValueError(f"{name} needs an accuracy schedule, and none is given")
    num_steps = len(accuracy_schedule)
    if model.get("num_steps", num_steps) != num_steps:
        raise ValueError(f"model.num_steps is {model['num_steps']}, but the accuracy schedule has {num_steps} steps")
    return accuracy_schedule, of_network
