"""The types of `config.yaml`, and errors that say what to write instead. Imports nothing heavy.

`python -m sunflow.config` prints the JSON schema for editors.
"""

import difflib
import json
import math
import os
import re
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
RESERVED = ("reference", "crystals", "hull", "accuracy_schedules")
OFFICIAL = ("perov5", "carbon24", "mp20", "mpts52")


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one line each."""


class Section(BaseModel):
    """A part of the configuration; keys that it does not know are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Columns(Section):
    """Which columns of a file hold a crystal's name and its CIF."""

    id: str = "material_id"
    cif: str = "cif"


class Fractions(Section):
    """Shares of the compositions that are set aside."""

    val: Share = 0.1
    test: Share = 0.1


class Dataset(Section):
    """Where crystals come from, and which hull judges those made in their likeness."""

    source: Literal["embedded", "official", "files"]
    hull: Literal["materials_project", "dataset", "self_consistent"]
    max_atoms: Count = 20
    files: dict[Literal["train", "val", "test", "all"], str] = {}
    sha256: dict[Literal["train", "val", "test", "all"], Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = {}
    fractions: Fractions = Fractions()
    columns: Columns = Columns()
    properties: dict[str, str] = {}
    generators: list[Name] | None = None
    relaxers: list[Name] | None = None


class CrysBFNModel(Section):
    """Hyper-parameters of CrysBFN."""

    hidden_dim: Count = 512
    num_layers: Count = 6
    num_frequencies: Count = 128
    time_dim: Annotated[int, Field(ge=2, multiple_of=2)] = 128
    num_steps: Annotated[int, Field(ge=2)] = 1000
    schedule: Literal["official"] = "official"
    final_accuracy: Positive = 1000.0
    lattice_sigma: Annotated[float, Field(gt=0, lt=1)] = math.sqrt(0.001)
    type_accuracy: Positive = 0.5


MODELS: dict[str, type[Section]] = {"crysbfn": CrysBFNModel}
"""The hyper-parameters of every kind of generator."""


class Training(Section):
    """How a generator is trained; `training/settings.py` describes every key."""

    epochs: Count = 1500
    batch_size: Count = 256
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.6
    plateau_patience: Count = 100
    min_learning_rate: Annotated[float, Field(ge=0)] = 1e-4
    averaging_decay: Share = 0.995
    averaging_start: Annotated[int, Field(ge=0)] = 1500
    max_gradient_norm: Positive | None = 1.0
    validate_every: Count = 8
    early_stopping: Count | None = None
    precision: Literal["auto", "float32"] = "auto"


class Sampling(Section):
    """How many crystals are generated, and how."""

    num_crystals: Count = 10_000
    batch_size: Count = 256
    num_steps: Annotated[int, Field(ge=2)] | None = None
    sampler: Literal["redraw", "bayes"] = "redraw"


class Generator(Section):
    """A run of a generator under the user's own name."""

    kind: str
    weights: str | None = None
    seed: int | None = None
    tasks: Annotated[list[Literal["generation"]], Field(min_length=1)] = ["generation"]
    model: dict[str, Any] = {}
    training: Training = Training()
    sampling: Sampling = Sampling()
    datasets: dict[str, dict[str, Any]] = {}


class Relaxer(Section):
    """A potential and when its minimisation counts as converged."""

    potential: Literal["chgnet"]
    max_force: Positive = 0.02
    max_steps: Count = 500
    timeout: Positive = 600.0
    parts: Count = 8
    datasets: dict[str, dict[str, Any]] = {}


class Sun(Section):
    """Thresholds (eV/atom) and structures of the judgement."""

    stable: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    metastable: Annotated[float, Field(allow_inf_nan=False)] = 0.1
    compare: Literal["relaxed", "generated"] = "relaxed"


class Config(Section):
    """All of `config.yaml`."""

    seed: Annotated[int, Field(ge=0)] = 0
    mirror: str | None = None
    cache: str | None = None
    datasets: dict[Name, Dataset]
    generators: dict[Name, Generator]
    relaxers: Annotated[dict[Name, Relaxer], Field(min_length=1)]
    sun: Sun = Sun()

    def dataset(self, name: str) -> dict[str, Any]:
        """What the reduced crystals of a dataset depend on."""
        section = self.datasets[name].model_dump(exclude={"hull", "generators", "relaxers", "files"})
        return {"name": name, **section, "splits": list(self.datasets[name].files), "seed": self.seed}

    def generator(self, dataset: str, name: str) -> dict[str, Any]:
        """A generator's settings on a dataset, its model's included."""
        raw = self.generators[name].model_dump()
        merged = _merged(raw, raw.pop("datasets").get(dataset, {}))
        merged["model"] = MODELS[merged["kind"]](**merged["model"]).model_dump()
        merged["seed"] = self.seed if merged["seed"] is None else merged["seed"]
        return merged

    def relaxer(self, dataset: str, name: str) -> dict[str, Any]:
        """A relaxer's settings on a dataset."""
        raw = self.relaxers[name].model_dump()
        return _merged(raw, raw.pop("datasets").get(dataset, {}))

    def generators_of(self, dataset: str) -> list[str]:
        """The generators that a dataset is given to."""
        chosen = self.datasets[dataset].generators
        return list(self.generators) if chosen is None else chosen

    def relaxers_of(self, dataset: str) -> list[str]:
        """The relaxers of a dataset's crystals; the first one where nothing is said."""
        chosen = self.datasets[dataset].relaxers
        return list(self.relaxers)[:1] if chosen is None else chosen


def load(raw: dict[str, Any]) -> Config:
    """Check a parsed configuration; the environment variable SUNFLOW_MIRROR goes before its `mirror`.

    Raises:
        ConfigError: Something is wrong; the message lists every problem with its key, what was given and what is
            allowed.
    """
    problems = _problems_of(Config, raw, ())
    if not problems:
        problems = _problems_of_names(raw) or _problems_of_overrides(raw)
    if problems:
        raise ConfigError("\n  ".join([f"config.yaml: {len(problems)} to mend:", *problems]))
    config = Config(**raw)
    if mirror := os.environ.get("SUNFLOW_MIRROR"):
        config = config.model_copy(update={"mirror": mirror})
    return config


def check_target(path: str, config: Config) -> str | None:
    """What is wrong with a path below results/ that names no dataset or generator of the configuration, or None."""
    parts = path.split("/")
    if parts[0] != "results" or len(parts) < 3 or parts[1] == "accuracy_schedules":
        return None
    if parts[1] not in config.datasets:
        return f"{path}: config.yaml has no dataset {parts[1]!r}; {_nearest(parts[1], config.datasets)}"
    if len(parts) > 4 and parts[2] not in (*config.generators, "reference"):
        return f"{path}: config.yaml has no generator {parts[2]!r}; {_nearest(parts[2], config.generators)}"
    return None


def _merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """`override` over `base`, section by section."""
    both = {
        name: _merged(base[name], value) if isinstance(value, dict) and isinstance(base.get(name), dict) else value
        for name, value in override.items()
    }
    return {**base, **both}


def _problems_of(section: type[Section], raw: Any, path: tuple[str, ...]) -> list[str]:
    try:
        section.model_validate(raw)
    except ValidationError as error:
        return [_sentence(section, problem, path) for problem in error.errors()]
    return []


def _sentence(section: type[Section], problem: Any, path: tuple[str, ...]) -> str:
    location = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join([*path, *location]) or "config.yaml"
    given = problem["input"]
    shown = f"given {given!r}" if not isinstance(given, dict) or len(given) < 4 else "given a section"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_nearest(location[-1], _keys_at(section, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{key}: {shown}; {_nearest(str(given), allowed)}"
    return f"{key}: {shown}; {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys_at(section: Any, location: list[str]) -> list[str]:
    """The keys that are known at a place in the configuration."""
    for part in location:
        if not (isinstance(section, type) and issubclass(section, Section)):
            section = get_args(section)[1] if get_origin(section) is dict else section
            continue
        section = section.model_fields[part].annotation
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, Section) else []


def _nearest(given: str, known: Any) -> str:
    known = list(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(map(str, known))}"


def _problems_of_names(raw: dict[str, Any]) -> list[str]:
    """Names that are reserved or that nothing is called."""
    problems = []
    for kind in ("datasets", "generators", "relaxers"):
        problems += [f"{kind}.{name}: this name is reserved; choose another" for name in raw[kind] if name in RESERVED]
    for name, dataset in raw["datasets"].items():
        for kind in ("generators", "relaxers"):
            for other in dataset.get(kind) or []:
                if other not in raw[kind]:
                    problems.append(f"datasets.{name}.{kind}: given {other!r}; {_nearest(other, raw[kind])}")
        problems += _problems_of_source(name, dataset)
    for name, generator in raw["generators"].items():
        if generator["kind"] not in MODELS:
            problems.append(
                f"generators.{name}.kind: given {generator['kind']!r}; {_nearest(generator['kind'], MODELS)}"
            )
    return problems


def _problems_of_source(name: str, dataset: dict[str, Any]) -> list[str]:
    key = f"datasets.{name}"
    files = set(dataset.get("files") or {})
    if dataset["source"] == "official" and name not in OFFICIAL:
        return [f"{key}.source: official datasets are called {', '.join(OFFICIAL)}; for another, use source: files"]
    if dataset["source"] != "files":
        return [f"{key}.files: only for source: files"] if files else []
    if files not in ({"all"}, {"train", "val", "test"}):
        return [f"{key}.files: given {sorted(files)}; name train, val and test, or all (split by composition)"]
    return []


def _problems_of_overrides(raw: dict[str, Any]) -> list[str]:
    """Mistakes that show only when what differs per dataset is merged."""
    problems = []
    for kind, section in (("generators", Generator), ("relaxers", Relaxer)):
        for name, base in raw[kind].items():
            overrides = base.get("datasets") or {}
            for dataset in overrides:
                if dataset not in raw["datasets"]:
                    key = f"{kind}.{name}.datasets.{dataset}"
                    problems.append(f"{key}: unknown dataset; {_nearest(dataset, raw['datasets'])}")
            plain = {key: value for key, value in base.items() if key != "datasets"}
            for path, override in [((), {}), *((("datasets", name), part) for name, part in overrides.items())]:
                merged = _merged(plain, override)
                problems += _problems_of(section, merged, (kind, name, *path))
                if kind == "generators":
                    model = merged.get("model", {})
                    problems += _problems_of(MODELS[merged["kind"]], model, (kind, name, *path, "model"))
    return list(dict.fromkeys(problems))


def json_schema() -> dict[str, Any]:
    """The schema of `config.yaml` for editors."""
    schema = Config.model_json_schema()
    models = [model.model_json_schema() for model in MODELS.values()]
    schema["$defs"]["Generator"]["properties"]["kind"]["enum"] = list(MODELS)
    schema["$defs"]["Generator"]["properties"]["model"] = {"anyOf": models}
    return schema


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
