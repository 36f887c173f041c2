"""SymmBFN: a Bayesian flow of asymmetric units (Ruple, Torresi et al., 2025, arXiv 2502.03146)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.full_cell import full_cell
from sunflow.crystals.lattice_coefficients import (
    fixed_coefficients,
    free_coefficients,
    lattice_coefficients,
    lattice_of_coefficients,
)
from sunflow.crystals.space_groups import SpaceGroups
from sunflow.crystals.wyckoff import Settled, settle
from sunflow.flows.euclidean import GaussianFlow, denoised
from sunflow.flows.joint import JointFlow
from sunflow.flows.noise import CrystalNoise
from sunflow.flows.simplex import CategoricalFlow
from sunflow.generators.bayesian_flow_network import BayesianFlowNetwork, Given, checked_model, crystal_of_row
from sunflow.generators.coordinates import Coordinates, FractionalCoordinates, TorusCoordinates
from sunflow.generators.generator import Condition
from sunflow.generators.guidance import guided
from sunflow.networks.asymmetric_unit_net import AXES, OPERATIONS, AsymmetricUnitNet
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.embeddings import concentration_signal

LARGEST_DEVIATION = 5.0
"""Standard deviations by which an estimated lattice coefficient may miss the mean of the train split."""
MAX_GROWTH = 2
"""How many times larger than those of the train split primitive cells may become."""


class SymmBFN(BayesianFlowNetwork):
    """Lattice coefficients, coordinates, types and site symmetries of asymmetric units in one flow.

    Of each orbit there is one atom. The space group is given, and fixes some of the lattice coefficients: these have
    no part in the loss, and the network does not see them. When the flow has ended, every atom takes the Wyckoff
    position that its site symmetry and coordinates are nearest to, and the space group makes the other atoms.

    Args:
        task: `generation`.
        statistics: Of the train split, asymmetric units.
        accuracy_schedule: Of the sender of coordinates on the torus, one value per step.
        hidden_dim: Of the network, as the next four.
        num_layers: Rounds of messages.
        num_frequencies: Fourier frequencies per axis.
        embedding_dim: Length of the embeddings of type, site symmetry and space group.
        time_dim: Length of the embeddings of time and property.
        coordinates: `euclidean` as in the paper, or `torus`.
        final_accuracy: Concentration of coordinates on the torus at the end, that the schedule was made for.
        sigma: σ₁, standard deviation of standardised lattice coefficients and Euclidean coordinates at the end.
        type_accuracy: β₁ of the atom types.
        symmetry_accuracy: β₁ of the site symmetries.
        lattice_weight: Of its term in the loss, as the next three.
        coordinate_weight: Of the coordinates.
        type_weight: Of the atom types.
        symmetry_weight: Of the site symmetries.
        property: The numeric column of the dataset that crystals can be asked for; None for nothing.
        property_dropout: The share of train crystals whose property is kept from the network.
    """

    asymmetric = True

    def __init__(
        self,
        task: str,
        statistics: dict[str, Any],
        accuracy_schedule: Float[Tensor, " steps"],
        *,
        hidden_dim: int = 512,
        num_layers: int = 6,
        num_frequencies: int = 128,
        embedding_dim: int = 128,
        time_dim: int = 128,
        coordinates: str = "euclidean",
        final_accuracy: float = 1000.0,
        sigma: float = 0.001,
        type_accuracy: float = 0.4,
        symmetry_accuracy: float = 1.5,
        lattice_weight: float = 1.0,
        coordinate_weight: float = 1.0,
        type_weight: float = 0.5,
        symmetry_weight: float = 1.0,
        property: str | None = None,
        property_dropout: float = 0.1,
    ) -> None:
        super().__init__(task, statistics, property, property_dropout)
        num_types, num_steps = len(statistics["atomic_numbers"]), len(accuracy_schedule)
        manifolds: dict[str, Coordinates] = {"torus": TorusCoordinates(), "euclidean": FractionalCoordinates(sigma)}
        self.coordinates = manifolds[coordinates]
        self.final_accuracy = final_accuracy
        self.max_atoms: int = MAX_GROWTH * statistics["max_atoms"]
        for name, values in statistics["lattice_coefficients"].items():
            self.register_buffer(f"coefficient_{name}", torch.tensor(values), persistent=False)
        self.space_groups = SpaceGroups()
        self.weights = {
            "lattice": lattice_weight,
            "frac_coords": coordinate_weight,
            "atom_types": type_weight,
            "site_symmetries": symmetry_weight,
        }
        self.flow = JointFlow(
            {
                "lattice": GaussianFlow(num_steps, sigma, shape=(6,)),
                "frac_coords": self.coordinates.flow(accuracy_schedule),
                "atom_types": CategoricalFlow(num_steps, type_accuracy, num_types),
                "site_symmetries": CategoricalFlow(num_steps, symmetry_accuracy, OPERATIONS),
            }
        )
        property_dim = time_dim if property else 0
        self.network = AsymmetricUnitNet(
            num_types, hidden_dim, num_layers, num_frequencies, embedding_dim, time_dim, property_dim
        )

    coefficient_mean: Tensor
    coefficient_std: Tensor

    def remember(self, crystals: CrystalBatch, space_groups: SpaceGroups | None = None) -> None:
        """Take in the train split and the space groups."""
        super().remember(crystals)
        if space_groups is not None:
            self.space_groups.load_state_dict(space_groups.state_dict())

    def rows(self, graph: CompleteGraph) -> Mapping[str, Int[Tensor, " _rows"]]:
        """The crystal of every row, for every field; an atom has a row of site symmetries for each of its axes."""
        axes = graph.crystal_of_atom[:, None].expand(-1, AXES).flatten()
        return {**crystal_of_row(graph), "site_symmetries": axes}

    def loss(self, crystals: CrystalBatch, noise: CrystalNoise) -> dict[str, Float[Tensor, " _rows"]]:
        """The weighted cost of every field; that of a lattice is the mean over its free coefficients."""
        assert crystals.space_group is not None
        terms = super().loss(crystals, noise)
        share_of_free = free_coefficients(crystals.space_group).to(terms["lattice"].dtype).mean(-1)
        terms["lattice"] = terms["lattice"] / share_of_free
        return {name: self.weights[name] * rows for name, rows in terms.items()}

    def encode(self, crystals: CrystalBatch) -> dict[str, Tensor]:
        """Asymmetric units as the flow knows them: x of standardised coefficients, coordinates, types, symmetries."""
        assert crystals.space_group is not None and crystals.wyckoff is not None
        coefficients = lattice_coefficients(crystals.lattice) - self.coefficient_mean
        groups = crystals.space_group[crystals.crystal_of_atom]
        operations = self.space_groups.site_symmetry(groups, crystals.wyckoff)
        return {
            "lattice": coefficients / self.coefficient_std * free_coefficients(crystals.space_group),
            "frac_coords": self.coordinates.encode(crystals.frac_coords),
            "atom_types": self.one_hot(crystals.atomic_numbers),
            "site_symmetries": functional.one_hot(operations.flatten(), OPERATIONS).to(torch.get_default_dtype()),
        }

    def estimate(self, belief: dict[str, Any], time: Float[Tensor, " crystals"], given: Given) -> dict[str, Tensor]:
        """What the network makes of a belief: x of the asymmetric units that it stands for."""
        assert given.space_group is not None
        free = free_coefficients(given.space_group)
        angles, concentration = self.coordinates.angles(belief["frac_coords"])
        known = (
            2 * belief["atom_types"].probabilities - 1,
            2 * belief["site_symmetries"].probabilities.unflatten(0, (-1, AXES)) - 1,
            angles,
            concentration_signal(concentration, self.final_accuracy),
            belief["lattice"].mean * free,
            time,
            given.space_group,
            given.graph,
        )
        output = guided(lambda target: self.network(*known, target), given.target, given.guidance)
        return {
            "lattice": denoised(belief["lattice"], output.lattice) * free,
            "frac_coords": self.coordinates.move(belief["frac_coords"], output.coordinates),
            "atom_types": torch.softmax(output.type_logits + given.barred, -1),
            "site_symmetries": torch.softmax(output.symmetry_logits.flatten(0, 1), -1),
        }

    def confined(self, x_hat: dict[str, Tensor]) -> dict[str, Tensor]:
        """An estimate with coordinates in the cell and a lattice that is not too far from those of the train split."""
        lattice = x_hat["lattice"].clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        return {**x_hat, "lattice": lattice, "frac_coords": self.coordinates.confined(x_hat["frac_coords"])}

    def trajectory(
        self, condition: Condition, seeds: Sequence[int], sampler: str = "bayes", every: int = 1
    ) -> Iterator[CrystalBatch]:
        """As for all, but with the Wyckoff positions that the atoms take in the end, so that none comes or goes."""
        given = self.given(condition)
        passed: list[tuple[Tensor, Tensor, Tensor]] = []
        for x_hat, types in self.stations(condition, given, seeds, sampler, every):
            passed.append((self._lattice(x_hat, given), self.coordinates.decode(x_hat["frac_coords"]), types))
        settled = self._settled(x_hat, passed[-1][0], given)
        for lattice, frac_coords, types_then in passed[:-1]:
            yield self._full_cell(lattice, frac_coords, settled, types_then, given)
        yield self._finished(passed[-1][0], settled, types, given)

    def decode(self, x_hat: dict[str, Tensor], types: Int[Tensor, " atoms"], given: Given) -> CrystalBatch:
        """The primitive cells of an estimate, with these types, and how many atoms missed their likeliest position."""
        lattice = self._lattice(x_hat, given)
        return self._finished(lattice, self._settled(x_hat, lattice, given), types, given)

    def _finished(
        self, lattice: Float[Tensor, "crystals 3 3"], settled: Settled, types: Int[Tensor, " atoms"], given: Given
    ) -> CrystalBatch:
        crystals = self._full_cell(lattice, settled.frac_coords, settled, types, given)
        moved = torch.zeros_like(given.graph.num_atoms, dtype=torch.get_default_dtype())
        count = moved.index_add(0, given.graph.crystal_of_atom, settled.moved.to(moved.dtype))
        return replace(crystals, properties={"moved_atoms": count})

    def _lattice(self, x_hat: dict[str, Tensor], given: Given) -> Float[Tensor, "crystals 3 3"]:
        """Conventional cells, not finite where types or site symmetries are not, which cannot say so later."""
        assert given.space_group is not None
        symmetries = x_hat["site_symmetries"].unflatten(0, (-1, AXES)).sum((1, 2))
        fault = given.graph.mean_of_atoms((x_hat["atom_types"].sum(-1) + symmetries)[:, None] * 0)
        coefficients = x_hat["lattice"] * self.coefficient_std + self.coefficient_mean
        free = free_coefficients(given.space_group)
        return lattice_of_coefficients(torch.where(free, coefficients, fixed_coefficients(given.space_group)) + fault)

    def _settled(self, x_hat: dict[str, Tensor], lattice: Float[Tensor, "crystals 3 3"], given: Given) -> Settled:
        assert given.space_group is not None
        frac_coords = self.coordinates.decode(x_hat["frac_coords"])
        symmetries = torch.log(x_hat["site_symmetries"]).unflatten(0, (-1, AXES))
        return settle(self.space_groups, given.space_group, given.graph.num_atoms, frac_coords, symmetries, lattice)

    def _full_cell(
        self,
        lattice: Float[Tensor, "crystals 3 3"],
        frac_coords: Float[Tensor, "atoms 3"],
        settled: Settled,
        types: Int[Tensor, " atoms"],
        given: Given,
    ) -> CrystalBatch:
        assert given.space_group is not None
        return full_cell(
            self.space_groups,
            given.space_group,
            lattice,
            frac_coords,
            settled.wyckoff,
            self.atomic_numbers[types],
            given.graph.num_atoms,
            self.max_atoms,
        )


def build(
    task: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> SymmBFN:
    """A SymmBFN with fresh weights; the errors are those of `checked_model`.

    Raises:
        ValueError: The task is another than generation, or the train split does not hold asymmetric units.
    """
    if task != "generation":
        raise ValueError(f"symmbfn knows the task generation, not {task}: a composition does not name orbits")
    if "lattice_coefficients" not in statistics:
        raise ValueError("symmbfn learns asymmetric units, and the train split holds none")
    accuracies, choices = checked_model(SymmBFN, model, accuracy_schedule)
    return SymmBFN(task, statistics, accuracies, **choices)
