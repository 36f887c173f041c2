"""The kinds of generators: their hyper-parameters, and what the workflow must know of them."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from sunflow.configuration.settings import Task
from sunflow.configuration.values import Count, Fraction, Positive, Section, Steps, Text


class Kind(Section):
    """Hyper-parameters of a kind of generator; without any here, it has none.

    One with `num_steps` samples step by step, and one with `schedule` takes an accuracy schedule.

    Attributes:
        tasks: What it can be trained for.
        environment: The file in `envs` that it is trained and sampled in.
        packages: Those whose versions its crystals depend on.
        representation: The folder of a dataset that it learns from.
        defaults: What differs, by section, from what other kinds do where nothing is said.
    """

    tasks: ClassVar[tuple[str, ...]] = get_args(Task)
    environment: ClassVar[str] = "torch"
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    representation: ClassVar[Literal["crystals", "asymmetric_units"]] = "crystals"
    defaults: ClassVar[dict[str, dict[str, Any]]] = {}


class BayesianFlowModel(Kind):
    """Hyper-parameters that generators by Bayesian flow share."""

    hidden_dim: Count = Field(default=512, description="Width of the network.")
    num_layers: Count = Field(default=6, description="Rounds of messages.")
    num_frequencies: Count = Field(default=128, description="Fourier frequencies per axis.")
    time_dim: Annotated[Count, Field(multiple_of=2)] = Field(default=128, description="Length of the time embedding.")
    num_steps: Steps = Field(default=1000, description="Steps from no knowledge to a crystal.")
    schedule: Literal["official", "flow_exact", "universal", "hand"] = Field(
        default="universal", description="Rule of the coordinates' accuracies; universal serves any number of steps."
    )
    final_accuracy: Positive = Field(default=1000.0, description="Concentration of the coordinates at the end.")
    coordinates: Literal["torus", "euclidean"] = Field(
        default="torus", description="Manifold of the coordinates' flow."
    )
    property: Text | None = Field(
        default=None, description="A number of the dataset that crystals can be asked for, with sampling.target."
    )
    property_dropout: Fraction = Field(
        default=0.1, description="The share of train crystals whose property is kept from the network."
    )


class CrysBFNModel(BayesianFlowModel):
    """Hyper-parameters of CrysBFN."""

    lattice_sigma: Fraction = Field(
        default=0.001**0.5, description="Standard deviation of the scaled lattice at the end."
    )
    type_accuracy: Positive = Field(default=0.5, description="β₁ of the atom types.")
    flow_simulation: Literal["direct", "iterated"] = Field(
        default="direct",
        description="Beliefs about coordinates in training: drawn at once, or observation by observation.",
    )
    coordinate_loss: Literal["wrapped_mse", "kl"] = Field(
        default="wrapped_mse", description="wrapped_mse: published code; kl: the paper."
    )
    type_loss: Literal["continuous", "discrete"] = Field(
        default="continuous", description="continuous: published code; discrete: the paper's, of so many steps."
    )
    entropy_conditioning: bool = Field(default=True, description="Tell the network how sure its belief is.")
    time_conditioning: bool = Field(default=True, description="Tell the network the time.")


class SymmBFNModel(BayesianFlowModel):
    """Hyper-parameters of SymmBFN."""

    tasks = ("generation",)
    representation = "asymmetric_units"
    defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "training": {"epochs": 2000},
        "sampling": {"num_steps": 100, "sampler": "bayes"},
    }

    coordinates: Literal["euclidean", "torus"] = Field(
        default="euclidean", description="Manifold of the coordinates' flow."
    )
    embedding_dim: Count = Field(default=128, description="Of type, site symmetry and space group.")
    sigma: Fraction = Field(default=0.001, description="Standard deviation of lattice (and Euclidean coordinates).")
    type_accuracy: Positive = Field(default=0.4, description="β₁ of the atom types.")
    symmetry_accuracy: Positive = Field(default=1.5, description="β₁ of the site symmetries.")
    lattice_weight: Positive = Field(default=1.0, description="Of the lattice in the loss.")
    coordinate_weight: Positive = Field(default=1.0, description="Of the coordinates in the loss.")
    type_weight: Positive = Field(default=0.5, description="Of the atom types in the loss.")
    symmetry_weight: Positive = Field(default=1.0, description="Of the site symmetries in the loss.")


class SubstitutionModel(Kind):
    """Ion exchange in train crystals."""

    tasks = ("generation",)
    environment = "controls"
    packages = ("numpy", "pymatgen", "pymatgen-core")


class RandomModel(Kind):
    """Train compositions in random places."""

    environment = "controls"
    packages = ("numpy", "pymatgen", "pymatgen-core", "pyxtal")
