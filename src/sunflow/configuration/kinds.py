"""The kinds of generators: their hyper-parameters, and what the workflow must know of them."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from sunflow.configuration.settings import Task
from sunflow.configuration.values import Count, Fraction, Positive, Section, Steps


class Kind(Section):
    """Hyper-parameters of a kind of generator; without any here, it has none.

    One with `num_steps` samples step by step, and one with `schedule` takes an accuracy schedule.

    Attributes:
        tasks: What it can be trained for.
        environment: The file in `envs` that it is trained and sampled in.
        packages: Those whose versions its crystals depend on.
    """

    tasks: ClassVar[tuple[str, ...]] = get_args(Task)
    environment: ClassVar[str] = "torch"
    packages: ClassVar[tuple[str, ...]] = ("torch",)


class CrysBFNModel(Kind):
    """Hyper-parameters of CrysBFN."""

    hidden_dim: Count = Field(default=512, description="Width of the network.")
    num_layers: Count = Field(default=6, description="Rounds of messages.")
    num_frequencies: Count = Field(default=128, description="Fourier frequencies per axis.")
    time_dim: Annotated[Count, Field(multiple_of=2)] = Field(default=128, description="Length of the time embedding.")
    num_steps: Steps = Field(default=1000, description="Steps from no knowledge to a crystal.")
    schedule: Literal["official", "flow_exact", "universal", "hand"] = Field(
        default="universal", description="Rule of the coordinates' accuracies; universal serves any number of steps."
    )
    final_accuracy: Positive = Field(default=1000.0, description="Concentration of the coordinates at the end.")
    lattice_sigma: Fraction = Field(
        default=0.001**0.5, description="Standard deviation of the scaled lattice at the end."
    )
    type_accuracy: Positive = Field(default=0.5, description="β₁ of the atom types.")
    coordinates: Literal["torus", "euclidean"] = Field(
        default="torus", description="Manifold of the coordinates' flow."
    )
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


class SubstitutionModel(Kind):
    """Ion exchange in train crystals."""

    tasks = ("generation",)
    environment = "controls"
    packages = ("numpy", "pymatgen", "pymatgen-core")


class RandomModel(Kind):
    """Train compositions in random places."""

    environment = "controls"
    packages = ("numpy", "pymatgen", "pymatgen-core", "pyxtal")
