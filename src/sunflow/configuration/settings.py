"""The settings of training, sampling, relaxation and judgement."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from sunflow.configuration.values import (
    Count,
    Decay,
    Fraction,
    KnownDataset,
    KnownRelaxer,
    Names,
    Natural,
    NonNegative,
    Number,
    Positive,
    Section,
    Steps,
    nearest,
    wrong,
    wrong_keys,
)
from sunflow.crystals.crystal_systems import CRYSTAL_SYSTEMS
from sunflow.crystals.elements import SYMBOLS
from sunflow.registry import POTENTIALS, is_import_path

Task = Literal["generation", "structure_prediction"]


def _symbol(name: str) -> str:
    if name not in SYMBOLS:
        raise wrong("must be the symbol of an element, such as Fe")
    return name


def _split(system: object) -> object:
    return system.split("-") if isinstance(system, str) else system


def _group(group: int | str) -> int | str:
    known = [*range(1, 231), *CRYSTAL_SYSTEMS]
    if isinstance(group, bool) or group not in known:
        raise wrong(f"must be a space group from 1 to 230, or one of {', '.join(CRYSTAL_SYSTEMS)}")
    return group


def _listed(groups: object) -> object:
    return [groups] if isinstance(groups, int | str) else groups


Element = Annotated[str, AfterValidator(_symbol)]
SpaceGroup = Annotated[int | str, AfterValidator(_group)]


class Training(Section):
    """How a generator is trained."""

    epochs: Count = Field(default=1500, description="Passes over the train split.")
    batch_size: Count = Field(default=256, description="Crystals of one step, per process.")
    learning_rate: Positive = Field(default=1e-3, description="AdamW's, at the start.")
    weight_decay: NonNegative = Field(default=0.0, description="AdamW's.")
    plateau_factor: Fraction = Field(
        default=0.6, description="Multiplies the learning rate when the loss stops falling."
    )
    plateau_patience: Natural = Field(default=100, description="Epochs without a new minimum before that.")
    min_learning_rate: NonNegative = Field(default=1e-4, description="The learning rate never falls below.")
    averaging_decay: Decay = Field(default=0.995, description="Per step, of the averaged weights; 0 averages nothing.")
    averaging_start: Natural = Field(default=1500, description="Steps before the average starts.")
    max_gradient_norm: Positive | None = Field(default=1.0, description="Longer gradients are shortened; null: never.")
    validate_every: Count = Field(default=8, description="Epochs between validations.")
    early_stopping: Count | None = Field(
        default=None, description="Epochs without a new minimum before the end; null: never."
    )
    precision: Literal["auto", "float32"] = Field(default="auto", description="auto: 16 bits for the network on a GPU.")

    @model_validator(mode="after")
    def _agree(self) -> "Training":
        if self.min_learning_rate > self.learning_rate:
            allowed = f"must not exceed learning_rate, which is {self.learning_rate}"
            raise wrong_keys("training", [("min_learning_rate", self.min_learning_rate, allowed)])
        return self


class Sampling(Section):
    """How crystals are drawn from a trained generator."""

    num_crystals: Count = Field(default=10000, description="Crystals requested.")
    batch_size: Count = Field(default=256, description="Crystals sampled at once.")
    num_steps: Steps | None = Field(default=None, description="null: as many as the model was trained with.")
    sampler: Literal["redraw", "bayes"] = Field(
        default="redraw", description="redraw: published code; bayes: algorithm 2."
    )
    elements: Names[Element] | None = Field(default=None, description="Make crystals of these elements only.")
    chemical_system: Annotated[Names[Element], BeforeValidator(_split)] | None = Field(
        default=None, description="Make crystals that hold exactly these elements, such as Li-Fe-O."
    )
    space_groups: Annotated[Names[SpaceGroup], BeforeValidator(_listed)] | None = Field(
        default=None, description="Make crystals of these space groups or crystal systems: 225, cubic, [cubic, 139]."
    )
    target: Number | None = Field(default=None, description="Make crystals with this value of model.property.")
    guidance: NonNegative = Field(
        default=1.0, description="How much the target counts: 1 as in the train split, more for more than that."
    )

    @model_validator(mode="after")
    def _agree(self) -> "Sampling":
        if self.elements and self.chemical_system:
            allowed = "goes without `elements`: crystals of a chemical system hold exactly its elements"
            raise wrong_keys("sampling", [("chemical_system", "-".join(self.chemical_system), allowed)])
        return self


class Prediction(Section):
    """Which structures are predicted in the task structure_prediction."""

    num_compositions: Count | None = Field(default=None, description="Test compositions, drawn at random; null: all.")
    num_candidates: Count = Field(default=1, description="Structures predicted for each composition.")
    num_steps: Names[Steps] = Field(default=[10, 50, 100, 500], description="Numbers of steps that nfe.csv compares.")


class Relaxation(Section):
    """When a relaxation ends; may differ between datasets."""

    max_force: Positive = Field(default=0.02, description="eV/Å; converged when no force or cell gradient exceeds it.")
    max_steps: Count = Field(default=500, description="Not converged after so many steps.")
    timeout: Positive = Field(default=600.0, description="Seconds that one crystal may take.")
    optimizer: Literal["lbfgs", "fire"] = Field(default="lbfgs", description="lbfgs takes fewer steps; papers: fire.")
    overlaps: Literal["fail", "push_apart"] = Field(
        default="fail", description="Crystals with overlapping atoms fail, or their atoms are pushed apart first."
    )
    parts: Count = Field(default=8, description="Jobs that the crystals are spread over.")
    second_opinion: KnownRelaxer | None = Field(
        default=None, description="Another relaxer, whose verdict on the S.U.N. crystals stands beside this one's."
    )


class Relaxer(Relaxation):
    """A potential and how it is used."""

    potential: str = Field(description="Machine-learned potential, or import path of an ASE calculator.")
    arguments: dict[str, Any] = Field(default={}, description="What the potential is loaded with.")
    datasets: dict[KnownDataset, Relaxation] = Field(default={}, description="What differs for a dataset.")

    @field_validator("potential")
    @classmethod
    def _exists(cls, name: str) -> str:
        if not is_import_path(name) and name not in POTENTIALS:
            raise wrong(f"{nearest(name, POTENTIALS)}, or the import path of an ASE calculator")
        return name


class Sun(Section):
    """Stable, unique, novel: where the lines are."""

    stable: Number = Field(default=0.0, description="eV/atom above hull, at most.")
    metastable: Number = Field(default=0.1, description="eV/atom above hull, at most.")
    compare: Literal["relaxed", "generated"] = Field(
        default="relaxed", description="Structures compared for unique and novel."
    )
    num_reference: Count = Field(default=300, description="Test crystals that are judged as the positive control.")
    num_left_out: Count = Field(default=300, description="Compositions by which a hull's gaps are measured.")

    @model_validator(mode="after")
    def _agree(self) -> "Sun":
        if self.metastable < self.stable:
            allowed = f"must be at least `stable`, which is {self.stable}, because stable crystals count as metastable"
            raise wrong_keys("sun", [("metastable", self.metastable, allowed)])
        return self
