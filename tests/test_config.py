"""The configuration: what is refused, in which words, and what a dataset's own settings become."""

import inspect
import json
import subprocess
import sys
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sunflow.config import MODELS, ConfigError, check_target, json_schema, load
from sunflow.crystals.crystal_systems import numbers_of
from sunflow.crystals.remote_files import FILES
from sunflow.flows.accuracy_schedule import SCHEDULES
from sunflow.generators.bayesian_flow_network import SAMPLERS
from sunflow.generators.coordinates import COORDINATES
from sunflow.generators.crysbfn import CrysBFN
from sunflow.generators.generator import TASKS, module_of
from sunflow.generators.symmbfn import SymmBFN
from sunflow.registry import POTENTIALS
from sunflow.relaxation.limits import Limits
from sunflow.training.settings import TrainingSettings

PROJECT = Path(__file__).parents[1]
RAW = yaml.safe_load((PROJECT / "config.yaml").read_text())
OWN = {"source": "files", "hull": "self_consistent", "files": {"all": "crystals.csv"}}
RUN = "generators.crysbfn"
DIGEST = "0" * 64


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv("SUNFLOW_MIRROR", raising=False)


def changed(**changes):
    """The committed configuration with values at dotted paths (`__` for the dots)."""
    raw = deepcopy(RAW)
    for path, value in changes.items():
        *parents, last = path.split("__")
        section = raw
        for name in parents:
            section = section.setdefault(name, {})
        section[last] = value
    return raw


def refusal(raw):
    with pytest.raises(ConfigError) as caught:
        load(raw)
    return str(caught.value)


# change → (key path in the message, something else that it says)
MUTATIONS = {
    # typing errors in keys
    "datsets": ({"datsets": {}}, "datsets", "'datasets'"),
    "sun typo": ({"sun__stabel": 0.0}, "sun.stabel", "'stable'"),
    "dataset key typo": ({"datasets__demo__max_atom": 3}, "datasets.demo.max_atom", "'max_atoms'"),
    "column typo": ({"datasets__mine": {**OWN, "columns": {"ciff": "c"}}}, "datasets.mine.columns.ciff", "'cif'"),
    "generator key typo": ({"generators__crysbfn__modle": {}}, f"{RUN}.modle", "'model'"),
    "model key typo": ({"generators__crysbfn__model__hiden_dim": 8}, f"{RUN}.model.hiden_dim", "'hidden_dim'"),
    "training key typo": ({"generators__crysbfn__training__epoch": 8}, f"{RUN}.training.epoch", "'epochs'"),
    "sampling key typo": ({"generators__crysbfn__sampling__n_steps": 8}, f"{RUN}.sampling.n_steps", "'num_steps'"),
    "relaxer key typo": ({"relaxers__chgnet__fmax": 0.1}, "relaxers.chgnet.fmax", "max_force"),
    # typing errors in names
    "source": ({"datasets__mp20__source": "oficial"}, "datasets.mp20.source", "'official'"),
    "hull": ({"datasets__mp20__hull": "material_project"}, "datasets.mp20.hull", "'materials_project'"),
    "kind": ({"generators__crysbfn__kind": "crysbnf"}, f"{RUN}.kind", "'crysbfn'"),
    "schedule": ({"generators__crysbfn__model__schedule": "oficial"}, f"{RUN}.model.schedule", "'official'"),
    "sampler": ({"generators__crysbfn__sampling__sampler": "redaw"}, f"{RUN}.sampling.sampler", "'redraw'"),
    "precision": ({"generators__crysbfn__training__precision": "float16"}, f"{RUN}.training.precision", "'float32'"),
    "task": ({"generators__crysbfn__tasks": ["generate"]}, f"{RUN}.tasks.0", "'generation'"),
    "task that a kind does not know": (
        {"generators__substitution__tasks": ["generation", "structure_prediction"]},
        "generators.substitution.tasks",
        "substitution knows generation only",
    ),
    "steps of a kind without": (
        {"generators__random__sampling": {"num_steps": 10}},
        "generators.random.sampling.num_steps",
        "random does not sample in steps",
    ),
    "steps of a kind without, for a dataset": (
        {"generators__random__datasets__mp20": {"sampling": {"num_steps": 10}}},
        "generators.random.datasets.mp20.sampling.num_steps",
        "random does not sample in steps",
    ),
    "hyper-parameter of a kind without": (
        {"generators__random__model": {"num_steps": 10}},
        "generators.random.model.num_steps",
        "unknown key",
    ),
    "ablation of a kind that predicts no structures": (
        {"generators__other": {"kind": "substitution", "ablation_of": "substitution"}},
        "generators.other.ablation_of",
        "ablations are compared by structure_prediction, which substitution does not know",
    ),
    "potential": (
        {"relaxers__chgnet__potential": "chgnett"},
        "relaxers.chgnet.potential",
        "chgnet, tensornet, or the import path of an ASE calculator",
    ),
    "optimizer": ({"relaxers__chgnet__optimizer": "lbfg"}, "relaxers.chgnet.optimizer", "'lbfgs'"),
    "overlaps": ({"relaxers__chgnet__overlaps": "push"}, "relaxers.chgnet.overlaps", "'push_apart'"),
    "arguments": ({"relaxers__chgnet__arguments": ["a"]}, "relaxers.chgnet.arguments", "section"),
    "compare": ({"sun__compare": "relax"}, "sun.compare", "'relaxed'"),
    "generator of a dataset": ({"datasets__demo__generators": ["crysbf"]}, "datasets.demo.generators.0", "'crysbfn'"),
    "relaxer of a dataset": ({"datasets__demo__relaxers": ["chgnt"]}, "datasets.demo.relaxers.0", "'chgnet'"),
    "dataset of an override": ({"generators__crysbfn__datasets__dmeo": {}}, f"{RUN}.datasets.dmeo", "'demo'"),
    "dataset of a relaxer's": ({"relaxers__chgnet__datasets__mp21": {}}, "relaxers.chgnet.datasets.mp21", "'mp20'"),
    # overrides
    "override key": (
        {"generators__crysbfn__datasets__demo__modell": {}},
        f"{RUN}.datasets.demo.modell",
        "'model'",
    ),
    "override of the kind": (
        {"generators__crysbfn__datasets__demo__kind": "crysbfn"},
        f"{RUN}.datasets.demo.kind",
        "allowed",
    ),
    "override of the tasks": (
        {"generators__crysbfn__datasets__demo__tasks": ["generation"]},
        f"{RUN}.datasets.demo.tasks",
        "allowed",
    ),
    "override within an override": (
        {"generators__crysbfn__datasets__demo__datasets": {}},
        f"{RUN}.datasets.demo.datasets",
        "allowed",
    ),
    "hyper-parameter in an override": (
        {"generators__crysbfn__datasets__demo__model__num_layers": -4},
        f"{RUN}.datasets.demo.model.num_layers",
        "-4",
    ),
    "override of the potential": (
        {"relaxers__chgnet__datasets__demo__potential": "chgnet"},
        "relaxers.chgnet.datasets.demo.potential",
        "allowed",
    ),
    "override of the optimizer": (
        {"relaxers__chgnet__datasets__demo__optimizer": "bfgs"},
        "relaxers.chgnet.datasets.demo.optimizer",
        "'lbfgs'",
    ),
    "relaxer's override": (
        {"relaxers__chgnet__datasets__demo__max_force": "low"},
        "relaxers.chgnet.datasets.demo.max_force",
        "number",
    ),
    # values
    "negative seed": ({"seed": -1}, "seed", "-1"),
    "seed is a fraction": ({"seed": 0.5}, "seed", "0.5"),
    "no atoms": ({"datasets__demo__max_atoms": 0}, "datasets.demo.max_atoms", "1"),
    "yes for a number": ({"datasets__demo__max_atoms": True}, "datasets.demo.max_atoms", "True"),
    "text for a number": ({"generators__crysbfn__training__epochs": "many"}, f"{RUN}.training.epochs", "'many'"),
    "negative rate": ({"generators__crysbfn__training__learning_rate": -1e-3}, f"{RUN}.training.learning_rate", "0"),
    "plateau factor": ({"generators__crysbfn__training__plateau_factor": 6}, f"{RUN}.training.plateau_factor", "1"),
    "averaging": ({"generators__crysbfn__training__averaging_decay": 1.0}, f"{RUN}.training.averaging_decay", "1"),
    "no crystals": ({"generators__crysbfn__sampling__num_crystals": 0}, f"{RUN}.sampling.num_crystals", "1"),
    "force": ({"relaxers__chgnet__max_force": 0}, "relaxers.chgnet.max_force", "0"),
    "infinite force": ({"relaxers__chgnet__max_force": float("inf")}, "relaxers.chgnet.max_force", "finite"),
    "not a number": ({"sun__stable": float("nan")}, "sun.stable", "finite"),
    "thresholds": ({"sun__stable": 0.2}, "sun.metastable", "stable"),
    "rates": ({"generators__crysbfn__training__learning_rate": 1e-5}, f"{RUN}.training.min_learning_rate", "1e-05"),
    "weights": ({"generators__crysbfn__weights": "best.ckpt"}, f"{RUN}.weights", "safetensors"),
    "list for a mapping": ({"generators__crysbfn__training": [1]}, f"{RUN}.training", "[1]"),
    "nothing for a mapping": ({"generators__crysbfn__model": None}, f"{RUN}.model", "None"),
    # datasets
    "another's official files": (
        {"datasets__mine": {"source": "official", "hull": "dataset"}},
        "datasets.mine.source",
        "mp20",
    ),
    "no files": (
        {"datasets__mine": {"source": "files", "hull": "dataset", "max_atoms": 9}},
        "datasets.mine.files",
        "train",
    ),
    "no test file": ({"datasets__mine": {**OWN, "files": {"train": "a", "val": "b"}}}, "datasets.mine.files", "test"),
    "files of the embedded": ({"datasets__demo__files": {"all": "a"}}, "datasets.demo.files", "source: embedded"),
    "unknown split": ({"datasets__mine": {**OWN, "files": {"trian": "a"}}}, "datasets.mine.files.trian", "'train'"),
    "hash": ({"datasets__mine": {**OWN, "sha256": {"all": "123"}}}, "datasets.mine.sha256.all", "123"),
    "hash of no file": ({"datasets__mine": {**OWN, "sha256": {"val": DIGEST}}}, "datasets.mine.sha256", "val"),
    "nothing to train on": (
        {"datasets__mine": {**OWN, "fractions": {"val": 0.5, "test": 0.5}}},
        "datasets.mine.fractions.test",
        "train",
    ),
    "a property with the name of a column": (
        {"datasets__mine": {**OWN, "properties": {"lattice": "a"}}},
        "datasets.mine.properties",
        "lattice",
    ),
    "no generator": ({"datasets__demo__generators": []}, "datasets.demo.generators", "at least"),
    "a generator twice": (
        {"datasets__demo__generators": ["crysbfn", "crysbfn"]},
        "datasets.demo.generators",
        "twice",
    ),
    "a target of no property": (
        {"generators__symmbfn__sampling__target": 1.0},
        "generators.symmbfn.sampling.target",
        "needs model.property, the column that it is a value of",
    ),
    "space groups of whole cells": (
        {"generators__crysbfn__sampling__space_groups": "cubic"},
        "generators.crysbfn.sampling.space_groups",
        "crysbfn knows nothing of space groups",
    ),
    "a space group that is none": (
        {"generators__symmbfn__sampling__space_groups": [225, 231]},
        "generators.symmbfn.sampling.space_groups.1",
        "must be a space group from 1 to 230, or one of triclinic",
    ),
    "a crystal system that is none": (
        {"generators__symmbfn__sampling__space_groups": "cubical"},
        "generators.symmbfn.sampling.space_groups.0",
        "must be a space group from 1 to 230, or one of triclinic",
    ),
    "weights of another and a model of its own": (
        {"generators__other": {"kind": "symmbfn", "trained_as": "symmbfn", "model": {"hidden_dim": 3}}},
        "generators.other.model",
        "are those of symmbfn, which it is trained as; give sampling or prediction only",
    ),
    "weights of another and a model of its own on a dataset": (
        {
            "generators__other": {
                "kind": "symmbfn",
                "trained_as": "symmbfn",
                "datasets": {"demo": {"training": {"epochs": 3}}},
            }
        },
        "generators.other.datasets.demo.training",
        "are those of symmbfn, which it is trained as; give sampling or prediction only",
    ),
    "a target that the model of another knows nothing of": (
        {"generators__other": {"kind": "symmbfn", "trained_as": "symmbfn", "sampling": {"target": 2.0}}},
        "generators.other.sampling.target",
        "needs model.property, the column that it is a value of",
    ),
    "weights of another kind": (
        {"generators__other": {"kind": "symmbfn", "trained_as": "crysbfn"}},
        "generators.other.trained_as",
        "must name a generator of the same kind",
    ),
    "an ablation of nothing": (
        {"generators__crysbfn_euclidean__ablation_of": "crysbnf"},
        "generators.crysbfn_euclidean.ablation_of",
        "'crysbfn'",
    ),
    "an ablation of an ablation": (
        {"generators__crysbfn_euclidean__ablation_of": "crysbfn_iterated"},
        "generators.crysbfn_euclidean.ablation_of",
        "does not follow another itself",
    ),
    "an ablation of itself": (
        {"generators__crysbfn_euclidean__ablation_of": "crysbfn_euclidean"},
        "generators.crysbfn_euclidean.ablation_of",
        "does not follow another itself",
    ),
    "no element": ({"generators__crysbfn__sampling__elements": ["Li", "Xx"]}, f"{RUN}.sampling.elements.1", "symbol"),
    "no chemical system": (
        {"generators__crysbfn__sampling__chemical_system": "Li,Fe"},
        f"{RUN}.sampling.chemical_system.0",
        "symbol",
    ),
    "an element twice": (
        {"generators__crysbfn__sampling__chemical_system": "Li-Li"},
        f"{RUN}.sampling.chemical_system",
        "twice",
    ),
    "elements and a system": (
        {"generators__crysbfn__sampling__elements": ["Li"], "generators__crysbfn__sampling__chemical_system": "Li-O"},
        f"{RUN}.sampling.chemical_system",
        "exactly its elements",
    ),
    "no candidates": (
        {"generators__crysbfn__prediction__num_candidates": 0},
        f"{RUN}.prediction.num_candidates",
        "greater",
    ),
    # the user's own names
    "reserved": ({"generators__reference": {"kind": "crysbfn"}}, "generators.reference", "reserved"),
    "a folder of results": ({"generators__crystals": {"kind": "crysbfn"}}, "generators.crystals", "reserved"),
    "a path": ({"relaxers__a/b": {"potential": "chgnet"}}, "relaxers.a/b", "letters"),
    "a number first": ({"datasets__2d": OWN}, "datasets.2d", "letters"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_named_with_its_key(name):
    changes, path, words = MUTATIONS[name]
    problems = refusal(changed(**changes)).splitlines()[1:]
    assert [line for line in problems if line.strip().startswith(f"{path}:") and words in line], problems
    assert len(problems) == 1, problems


@pytest.mark.parametrize("missing", ["datasets", "generators", "relaxers"])
def test_a_missing_section(missing):
    raw = changed()
    del raw[missing]
    assert f"{missing}: missing" in refusal(raw)


@pytest.mark.parametrize("section", ["datasets", "generators", "relaxers"])
def test_an_empty_section(section):
    assert f"{section}:" in refusal(changed(**{section: {}}))
    assert f"{section}:" in refusal(changed(**{section: None}))


def test_every_mistake_in_one_message():
    names = ("sun typo", "dataset of an override", "hyper-parameter in an override", "force", "no files")
    changes = {path: value for name in names for path, value in MUTATIONS[name][0].items()}
    message = refusal(changed(**changes, generators__other={"kind": "crysbnf", "model": {"hidden_dim": 8}}))
    for name in names:
        assert f"{MUTATIONS[name][1]}:" in message, name
    assert "generators.other.kind:" in message
    assert "hidden_dim" not in message, "hyper-parameters of an unknown kind cannot be judged"


def test_numbers_as_yaml_writes_them():
    """YAML reads 1e-3 as text, and 600 as an integer."""
    raw = changed(generators__crysbfn__training__learning_rate="1e-3", relaxers__chgnet__timeout=600)
    config = load(raw)
    assert config.generator("mp20", "crysbfn")["training"]["learning_rate"] == 1e-3
    assert json.dumps(config.relaxer("mp20", "chgnet")["timeout"]) == "600.0"


def test_what_differs_for_a_dataset():
    config = load(RAW)
    demo, mp20 = config.generator("demo", "crysbfn"), config.generator("mp20", "crysbfn")
    assert demo["model"]["hidden_dim"] == 128 and mp20["model"]["hidden_dim"] == 512
    assert demo["model"]["final_accuracy"] == mp20["model"]["final_accuracy"] == 1000.0
    assert config.relaxer("demo", "chgnet")["parts"] == 1
    assert config.relaxer("mp20", "chgnet")["max_force"] == 0.02


def test_papers_hyper_parameters():
    config = load(RAW)
    expected = {"perov5": (4000, 1024, 3.0), "carbon24": (5000, 512, 0.5), "mp20": (1500, 256, 0.4)}
    expected["mpts52"] = (1000, 128, 0.5)
    for dataset, values in expected.items():
        run = config.generator(dataset, "crysbfn")
        found = (run["training"]["epochs"], run["training"]["batch_size"], run["model"]["type_accuracy"])
        assert found == values, dataset
        assert run["training"]["plateau_factor"] == 0.6
        assert run["model"]["lattice_sigma"] == pytest.approx(0.001**0.5)


@pytest.mark.parametrize("name", [*POTENTIALS, "mace.calculators.mace_mp", "no.such.package"])
def test_a_potential_has_a_name_or_an_import_path(name):
    """Whether something can be imported there is seen by the stage, not by the check."""
    config = load(changed(relaxers__mine={"potential": name, "arguments": {"model": "small", "depth": {"n": 1}}}))
    relaxer = config.relaxer("mp20", "mine")
    assert (relaxer["potential"], relaxer["arguments"]) == (name, {"model": "small", "depth": {"n": 1}})


def test_a_relaxers_settings_are_the_limits_of_relaxation():
    defaults = json_schema()["$defs"]["Relaxation"]["properties"]
    limits = vars(Limits())
    assert limits.pop("trajectory_interval") is None
    assert {name: defaults[name]["default"] for name in limits} == limits
    raw = changed(relaxers__chgnet__optimizer="fire", relaxers__chgnet__datasets__demo__overlaps="push_apart")
    demo, mp20 = (load(raw).relaxer(dataset, "chgnet") for dataset in ("demo", "mp20"))
    assert (demo["optimizer"], demo["overlaps"]) == ("fire", "push_apart")
    assert (mp20["optimizer"], mp20["overlaps"]) == ("fire", "fail")
    assert (demo["potential"], demo["arguments"]) == ("chgnet", {})


def test_seeds():
    raw = changed(seed=3, generators__crysbfn_seed7={**RAW["generators"]["crysbfn"], "seed": 7})
    config = load(raw)
    assert config.generator("demo", "crysbfn")["seed"] == 3
    assert config.generator("demo", "crysbfn_seed7")["seed"] == 7


def test_the_seed_touches_only_datasets_that_it_splits():
    first = load(changed(datasets__mine=OWN))
    second = load(changed(datasets__mine=OWN, seed=1))
    assert all(first.dataset(name) == second.dataset(name) for name in RAW["datasets"])
    assert first.dataset("mine") != second.dataset("mine")


def test_a_hull_does_not_touch_the_crystals():
    assert load(changed(datasets__mp20__hull="dataset")).dataset("mp20") == load(RAW).dataset("mp20")


def test_generators_and_relaxers_of_a_dataset():
    raw = changed(generators__second={"kind": "crysbfn"}, datasets__mp20__relaxers=["rough"])
    raw["relaxers"]["rough"] = {"potential": "chgnet", "max_force": 0.1}
    raw["datasets"]["mp20"]["generators"] = ["second"]
    config = load(raw)
    assert config.generators_of("mp20") == ["second"] and config.relaxers_of("mp20") == ["rough"]
    assert config.generators_of("demo") == ["crysbfn", "symmbfn", "substitution", "random", "second"]
    assert config.relaxers_of("demo") == ["chgnet"]


def test_the_environment_names_the_mirror(monkeypatch):
    assert load(changed(mirror="/one")).mirror == "/one"
    monkeypatch.setenv("SUNFLOW_MIRROR", "/two")
    assert load(changed(mirror="/one")).mirror == "/two"
    assert load(RAW).mirror == "/two"


def test_dft_energies_are_not_mistaken_for_the_relaxers():
    assert all("energy_per_atom" not in dataset.get("properties", {}) for dataset in RAW["datasets"].values())


def test_loading_changes_nothing_of_what_is_given():
    raw = changed()
    load(raw)
    assert raw == RAW


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("results/mp21/sun.csv", ("mp21", "did you mean 'mp20'")),
        ("results/mp20/crysbnf/generation/samples.parquet", ("crysbnf", "did you mean 'crysbfn'")),
        ("results/mp20/crysbnf/generation/chgnet/relaxed.parquet", ("crysbnf", "did you mean 'crysbfn'")),
        ("./results/mp21/sun.csv", ("mp21",)),
    ],
)
def test_unknown_names_in_targets(path, words):
    message = check_target(path, load(RAW))
    assert message and all(word in message for word in words)


@pytest.mark.parametrize(
    "path",
    [
        "results/mp20/sun.csv",
        "results/mp20/crystals/train.parquet",
        "results/demo/hull/chgnet.parquet",
        "results/demo/crysbfn/generation/weights.safetensors",
        "results/demo/reference/test/chgnet/relaxed.parquet",
        "results/demo/crysbfn/structure_prediction/10_steps/samples.parquet",
        "results/accuracy_schedules/official_10_steps_to_1000.0.csv",
        "--cores",
        "8",
        "all",
        "report.zip",
    ],
)
def test_targets_that_are_none_of_its_business(path):
    assert check_target(path, load(RAW)) is None


def test_registries_agree():
    training = load(RAW).generator("demo", "crysbfn")["training"]
    assert list(training) == [field.name for field in fields(TrainingSettings)]
    assert TrainingSettings.from_dict(training)
    defaults = json_schema()["$defs"]["Training"]["properties"]
    assert {name: field["default"] for name, field in defaults.items()} == vars(TrainingSettings())
    for kind, model in MODELS.items():
        source = (PROJECT / "src" / module_of(kind).replace(".", "/")).with_suffix(".py")
        assert "\ndef build(" in source.read_text()
        assert set(model.tasks) <= set(TASKS) and (PROJECT / f"envs/{model.environment}.yaml").exists()
    text = json.dumps(json_schema())
    for name in (*SCHEDULES, *SAMPLERS, *COORDINATES, *TASKS):
        assert f'"{name}"' in text
    for generator in (CrysBFN, SymmBFN):
        chosen = json_schema()["$defs"][f"{generator.__name__}Model"]["properties"]
        arguments = inspect.signature(generator).parameters
        own = {name for name in arguments if arguments[name].kind is inspect.Parameter.KEYWORD_ONLY}
        assert own | {"num_steps", "schedule"} == set(chosen)
        assert all(arguments[name].default == chosen[name]["default"] for name in own)
    official = [name for name, dataset in RAW["datasets"].items() if dataset["source"] == "official"]
    assert {f"{name}/{split}" for name in official for split in ("train", "val", "test")} < set(FILES)


def test_an_ablation_takes_the_settings_of_its_base():
    settings = {"hidden_dim": 64, "num_steps": 50}
    config = load(changed(generators__crysbfn__datasets__demo__model=settings, generators__crysbfn__seed=7))
    base, ablation = (config.generator("demo", name) for name in ("crysbfn", "crysbfn_hand_schedule"))
    assert ablation["model"] == {**base["model"], "schedule": "hand"} and base["model"]["hidden_dim"] == 64
    assert {name: ablation[name] for name in ablation if name != "model"} == {
        name: base[name] for name in base if name != "model"
    }
    own = {"training": {"epochs": 3}}
    config = load(changed(generators__crysbfn_hand_schedule__datasets={"demo": own}))
    assert config.generator("demo", "crysbfn_hand_schedule")["training"]["epochs"] == 3


def test_an_ablation_is_trained_where_its_base_has_given_weights():
    config = load(changed(generators__crysbfn__weights="mine.safetensors"))
    assert config.generator("demo", "crysbfn_hand_schedule")["weights"] is None


def test_ablations_stand_aside_and_say_what_they_change():
    config = load(RAW)
    assert config.generators_of("demo") == ["crysbfn", "symmbfn", "substitution", "random"]
    assert config.ablations_of("demo") == {
        "crysbfn": "",
        "crysbfn_without_entropy": "model.entropy_conditioning=False",
        "crysbfn_hand_schedule": "model.schedule=hand",
        "crysbfn_euclidean": "model.coordinates=euclidean",
        "crysbfn_iterated": "model.flow_simulation=iterated",
    }


def test_one_that_is_trained_as_another_samples_alone():
    follower = {"kind": "symmbfn", "trained_as": "symmbfn", "sampling": {"num_steps": 50, "target": -1.0}}
    raw = changed(generators__symmbfn__model__property="band_gap", generators__symmbfn_50=follower)
    config = load(raw)
    base, other = (config.generator("demo", name) for name in ("symmbfn", "symmbfn_50"))
    assert other == {**base, "sampling": {**base["sampling"], "num_steps": 50, "target": -1.0}}
    assert "symmbfn_50" not in config.generators_of("demo")


def test_a_target_needs_a_property_on_one_dataset_only():
    follower = {"kind": "symmbfn", "trained_as": "symmbfn", "sampling": {"target": -1.0}}
    raw = changed(generators__symmbfn__datasets__demo__model__property="band_gap", generators__low=follower)
    assert load(raw).generator("demo", "low")["sampling"]["target"] == -1.0


def test_what_is_not_said_is_as_its_kind_does_it():
    raw = changed(
        generators__gap={"kind": "symmbfn", "sampling": {"guidance": 3}},
        generators__long={"kind": "symmbfn", "sampling": {"num_steps": 500}},
        generators__follower={"kind": "symmbfn", "trained_as": "long", "sampling": {"guidance": 2}},
        generators__plain={"kind": "crysbfn"},
    )
    sections = {name: load(raw).generator("mp20", name) for name in ("gap", "long", "follower", "plain")}
    steps = {name: (each["sampling"]["num_steps"], each["sampling"]["sampler"]) for name, each in sections.items()}
    assert steps == {
        "gap": (100, "bayes"),
        "long": (500, "bayes"),
        "follower": (500, "bayes"),
        "plain": (None, "redraw"),
    }
    assert sections["gap"]["training"]["epochs"] == 2000


@pytest.mark.parametrize(
    "given, numbers", [(225, [225]), ([225, 2], [2, 225]), ("triclinic", [1, 2]), (["triclinic", 3, 1], [1, 2, 3])]
)
def test_space_groups_are_read(given, numbers):
    sampling = load(changed(generators__symmbfn__sampling__space_groups=given)).generator("demo", "symmbfn")["sampling"]
    assert numbers_of(sampling["space_groups"]) == numbers


def test_a_chemical_system_is_read():
    sampling = load(changed(generators__crysbfn__sampling__chemical_system="Li-Fe-O")).generator("demo", "crysbfn")
    assert sampling["sampling"]["chemical_system"] == ["Li", "Fe", "O"]


def test_the_committed_schema_is_in_step():
    committed = json.loads((PROJECT / "workflow/schemas/config.schema.json").read_text())
    assert committed == json_schema(), "python -m sunflow.config > workflow/schemas/config.schema.json"


def test_checking_imports_nothing_heavy():
    heavy = ("torch", "numpy", "pandas", "pymatgen", "pyarrow", "scipy", "ase", "requests")
    program = f"import sys, sunflow.config; sys.exit(' '.join({{*{heavy!r}}} & {{*sys.modules}}) or 0)"
    subprocess.run([sys.executable, "-c", program], check=True)
