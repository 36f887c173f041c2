"""The types of `config.yaml`, checked in a fraction of a second. Imports nothing heavy.

`python -m sunflow.config` prints the JSON schema for editors.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, TypeVar, Union

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)

from sunflow.configuration.datasets import OFFICIAL, Dataset, Fractions
from sunflow.configuration.kinds import CrysBFNModel, Kind, RandomModel, SubstitutionModel, SymmBFNModel
from sunflow.configuration.messages import ConfigError, Path, config_error, keys_at
from sunflow.configuration.settings import Prediction, Relaxer, Sampling, Sun, Task, Training
from sunflow.configuration.values import (
    KnownDataset,
    KnownGenerator,
    Name,
    Names,
    Natural,
    Section,
    Text,
    nearest,
    wrong,
    wrong_keys,
)

__all__ = ["MODELS", "Config", "ConfigError", "check_target", "json_schema", "load"]
Model = TypeVar("Model", bound=Section)

MODELS: dict[str, type[Kind]] = {
    "crysbfn": CrysBFNModel,
    "symmbfn": SymmBFNModel,
    "substitution": SubstitutionModel,
    "random": RandomModel,
}
"""Kind of generator, which is its module in `sunflow.generators`, → its hyper-parameters. One line adds a kind."""


def _known_kind(kind: str) -> str:
    if kind not in MODELS:
        raise wrong(nearest(kind, MODELS))
    return kind


class Overrides(Section, Generic[Model]):
    """What may differ between the datasets of a generator."""

    weights: Annotated[str, Field(pattern=r"\.safetensors$")] | None = Field(
        default=None, description="Use the weights of this file (.safetensors, its .json beside it) and never train."
    )
    seed: Natural | None = Field(default=None, description="null: the seed of the whole configuration.")
    model: Model = Field(default={}, validate_default=True, description="Hyper-parameters.")
    training: Training = Training()
    sampling: Sampling = Sampling()
    prediction: Prediction = Prediction()


class Generator(Overrides[Model], Generic[Model]):
    """One run of a generator, under the user's own name."""

    kind: Annotated[str, AfterValidator(_known_kind)]
    ablation_of: KnownGenerator | None = Field(
        default=None,
        description="Take all settings that are not given here from this generator; stands in ablations.csv.",
    )
    trained_as: KnownGenerator | None = Field(
        default=None,
        description="Take the weights, and all settings that are not given here, of this generator: it samples alone.",
    )
    tasks: Names[Task] = Field(default=["generation"], description="What it is trained for.")
    datasets: dict[KnownDataset, Overrides[Model]] = Field(default={}, description="What differs for a dataset.")

    @property
    def has_steps(self) -> bool:
        """Whether it samples step by step."""
        return "num_steps" in MODELS[self.kind].model_fields

    @model_validator(mode="before")
    @classmethod
    def _with_defaults_of_its_kind(cls, section: Any) -> Any:
        """The section with what its kind does where nothing is said, unless it follows another one."""
        kind = MODELS.get(str(section.get("kind"))) if isinstance(section, dict) else None
        if kind is None or section.get("trained_as") or section.get("ablation_of"):
            return section
        return _deep(kind.defaults, section)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Generator":
        known = MODELS[self.kind].tasks
        problems: list[tuple[str | tuple[str, ...], Any, str]] = []
        if not set(self.tasks) <= set(known):
            problems.append(("tasks", self.tasks, f"{self.kind} knows {' and '.join(known)} only"))
        if self.sampling.num_steps and not self.has_steps:
            allowed = f"{self.kind} does not sample in steps"
            problems.append((("sampling", "num_steps"), self.sampling.num_steps, allowed))
        if self.sampling.space_groups and MODELS[self.kind].representation != "asymmetric_units":
            allowed = f"{self.kind} knows nothing of space groups"
            problems.append((("sampling", "space_groups"), self.sampling.space_groups, allowed))
        if self.trained_as:
            allowed = f"are those of {self.trained_as}, which it is trained as; give sampling or prediction only"
            sections = {(): self} | {("datasets", name): section for name, section in self.datasets.items()}
            for path, section in sections.items():
                own = sorted({"weights", "model", "training", "ablation_of"} & section.model_fields_set)
                problems += [((*path, key), getattr(section, key), allowed) for key in own]
        elif self.sampling.target is not None and getattr(self.model, "property", None) is None:
            allowed = "needs model.property, the column that it is a value of"
            problems.append((("sampling", "target"), self.sampling.target, allowed))
        if problems:
            raise wrong_keys("generator", problems)
        return self


GENERATORS: dict[str, type[Generator]] = {
    kind: create_model(f"{kind}_generator", __base__=Generator[model], kind=(Literal[kind], ...))  # type: ignore
    for kind, model in MODELS.items()
}


class _Anything(Section):
    model_config = ConfigDict(extra="allow")


def _generator_type(value: Any) -> type[Generator]:
    kind = value.get("kind") if isinstance(value, dict) else None
    return GENERATORS.get(kind, Generator[_Anything]) if isinstance(kind, str) else Generator[_Anything]


def _of_its_kind(value: Any, _: Any, info: Any) -> Generator:
    """Check a generator's section with the hyper-parameters of its kind."""
    return _generator_type(value).model_validate(value, context=info.context)


class Config(Section):
    """The whole configuration."""

    seed: Natural = Field(default=0, description="Of every random choice.")
    mirror: Text | None = Field(default=None, description="Folder looked in before the network; or SUNFLOW_MIRROR.")
    cache: Text | None = Field(default=None, description="Folder of downloads; null: the user's cache folder.")
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    generators: Annotated[
        dict[Name, Annotated[Generator, WrapValidator(_of_its_kind)]],
        Field(min_length=1),
    ]
    relaxers: Annotated[dict[Name, Relaxer], Field(min_length=1)]
    sun: Sun = Sun()

    @field_validator("datasets")
    @classmethod
    def _official_names(cls, datasets: dict[str, Dataset]) -> dict[str, Dataset]:
        others = [name for name, section in datasets.items() if section.source == "official" and name not in OFFICIAL]
        if others:
            text = f"official datasets are called {', '.join(OFFICIAL)}; for another, use source: files"
            raise wrong_keys("datasets", [((name, "source"), "official", text) for name in others])
        return datasets

    @field_validator("generators")
    @classmethod
    def _followers_of_complete_ones(cls, generators: dict[str, Generator]) -> dict[str, Generator]:
        for name, section in generators.items():
            key = "trained_as" if section.trained_as else "ablation_of"
            base = generators.get(getattr(section, key) or "")
            text = ""
            if base and (base.ablation_of or base.trained_as or base.kind != section.kind):
                text = "must name a generator of the same kind that does not follow another itself"
            elif base and key == "ablation_of" and "structure_prediction" not in MODELS[base.kind].tasks:
                text = f"ablations are compared by structure_prediction, which {base.kind} does not know"
            if text:
                raise wrong_keys("generators", [((name, key), getattr(section, key), text)])
        return generators

    def dataset(self, name: str) -> dict[str, Any]:
        """What the reduced crystals of a dataset depend on; the seed only where it splits them."""
        of_others = {"hull", "hull_files", "benchmark", "generators", "relaxers", "files", "fractions"}
        of_others |= {"symmetry_tolerance"}
        section = self.datasets[name].model_dump(exclude=of_others)
        splits = list(self.datasets[name].files)
        if splits == ["all"]:
            section |= {"fractions": (self.datasets[name].fractions or Fractions()).model_dump(), "seed": self.seed}
        return {"name": name, **section, "splits": splits}

    def generator(self, dataset: str, name: str) -> dict[str, Any]:
        """The settings of a generator on a dataset, checked as a whole; some are those of another generator but few."""
        section = self.generators[name]
        of_all = {"datasets", "ablation_of", "trained_as", "tasks"}
        if base_name := section.ablation_of or section.trained_as:
            base = self.generator(dataset, base_name)
            base["weights"] = base["weights"] if section.trained_as else None
            merged = _deep(base, section.model_dump(exclude=of_all, exclude_unset=True))
        else:
            merged = section.model_dump(exclude=of_all)
        merged = _merged(merged, section.datasets.get(dataset))
        resolved = type(section).model_validate(merged).model_dump(exclude=of_all)
        return {**resolved, "seed": self.seed if resolved["seed"] is None else resolved["seed"]}

    def ablations_of(self, dataset: str) -> dict[str, str]:
        """Each base with its ablations and what differs in them, such as `model.schedule=hand`."""
        changed = {}
        for name, section in self.generators.items():
            if section.ablation_of:
                base, own = (self.generator(dataset, each) for each in (section.ablation_of, name))
                changed[section.ablation_of] = ""
                changed[name] = ", ".join(_differences(base, own))
        return changed

    def relaxer(self, dataset: str, name: str) -> dict[str, Any]:
        """The settings of a relaxer on a dataset."""
        section = self.relaxers[name]
        return _merged(section.model_dump(exclude={"datasets"}), section.datasets.get(dataset))

    def generators_of(self, dataset: str) -> list[str]:
        """The generators to run on a dataset; those that follow another are not, unless it names them."""
        runs = [name for name, section in self.generators.items() if not (section.ablation_of or section.trained_as)]
        return self.datasets[dataset].generators or runs

    def benchmark_of(self, dataset: str) -> str | None:
        """The official dataset whose published figures stand beside those of a dataset."""
        return self.datasets[dataset].benchmark or (dataset if self.datasets[dataset].source == "official" else None)

    def relaxers_of(self, dataset: str) -> list[str]:
        """The relaxers to run on a dataset."""
        return self.datasets[dataset].relaxers or list(self.relaxers)[:1]


def _merged(section: dict[str, Any], overrides: Section | None) -> dict[str, Any]:
    return _deep(section, overrides.model_dump(exclude_unset=True)) if overrides else section


def _deep(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key: _deep(below.get(key) or {}, value) for key, value in above.items() if isinstance(value, dict)}
    return {**below, **above, **both}


def _differences(base: dict[str, Any], other: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(base[key], dict):
            yield from _differences(base[key], value, f"{prefix}{key}.")
        elif value != base[key]:
            yield f"{prefix}{key}={value}"


def load(raw: dict[str, Any]) -> Config:
    """Check a configuration as read from YAML; the environment variable SUNFLOW_MIRROR takes the place of `mirror`.

    Raises:
        ConfigError: Names every problem by its key path, with what was given and what is allowed.
    """
    raw = {**raw, "mirror": os.environ.get("SUNFLOW_MIRROR") or raw.get("mirror")}
    sections = {what: raw.get(f"{what}s") for what in ("dataset", "generator", "relaxer")}
    known = {what: list(section) for what, section in sections.items() if isinstance(section, dict)}

    def known_keys(path: Path) -> list[str]:
        if len(path) > 1 and path[0] == "generators":
            return keys_at(_generator_type(raw["generators"][path[1]]), path[2:])
        return keys_at(Config, path)

    path: Path = ()
    try:
        config = Config.model_validate(raw, context=known)
        for name, generator in config.generators.items():
            for dataset in generator.datasets:
                path = ("generators", name, "datasets", dataset)
                config.generator(dataset, name)
            path = ("generators", name)
            _fits_somewhere(config, name)
    except ValidationError as error:
        raise config_error(error, known_keys, path) from None
    return config


def _fits_somewhere(config: Config, name: str) -> None:
    """Raise the error of the last dataset if there is none that the settings of a generator fit as a whole."""
    for number, dataset in enumerate(config.datasets, start=1):
        try:
            config.generator(dataset, name)
            return
        except ValidationError:
            if number == len(config.datasets):
                raise


def check_target(path: str, config: Config) -> str | None:
    """What is wrong with the names in a target such as `results/mp20/crysbfn/…`, if anything."""
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != "results" or parts[1] in ("accuracy_schedules", "space_groups.safetensors"):
        return None
    if parts[1] not in config.datasets:
        return f"{path}: config.yaml has no dataset {parts[1]!r}; {nearest(parts[1], config.datasets)}"
    folders_of_dataset = ("reference", "crystals", "asymmetric_units", "hull", "properties")
    if len(parts) > 3 and parts[2] not in (*config.generators, *folders_of_dataset):
        known = [*config.generators, "reference"]
        return f"{path}: config.yaml has no generator {parts[2]!r}; {nearest(parts[2], known)}"
    folders = (*config.relaxers, "archive", "training_state")
    if len(parts) > 5 and parts[4] not in folders and not re.fullmatch(r"\d+_steps", parts[4]):
        return f"{path}: config.yaml has no relaxer {parts[4]!r}; {nearest(parts[4], config.relaxers)}"
    return None


def json_schema() -> dict[str, Any]:
    """The schema of `config.yaml` for editors."""
    either: Any = Union[tuple(GENERATORS.values())]  # noqa: UP007
    generators: Any = (Annotated[dict[Name, either], Field(min_length=1)], ...)
    return create_model("Config", __base__=Config, generators=generators).model_json_schema()


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
