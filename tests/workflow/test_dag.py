"""The chain that Snakemake plans, and what it says when it cannot."""

import re

import pytest

CHAIN = {
    "accuracy_schedule",
    "asymmetric_units",
    "energy_above_hull",
    "gather_relaxed",
    "hull",
    "niggli",
    "reference",
    "relax",
    "sample",
    "space_groups",
    "sun",
    "sun_table",
    "train",
}

METRICS = {"measure", "measure_test", "validity", "coverage", "distributions"}
PAGE = {"hull_quality", "provenance", "report", "trajectory"} | METRICS


def rules(project, *arguments, **environment):
    return {rule for rule, _ in project.jobs(*arguments, **environment)}


def test_main_command(project):
    assert rules(project, "--cores", "8", "results/mp20/sun.csv") == CHAIN | {"download_split", "download_hull"}


def test_every_official_dataset(project):
    """Each has the whole chain and a hull of its own; two of them share the rest."""
    names = ("perov5", "carbon24", "mpts52")
    planned = project.jobs(*(f"results/{name}/sun.csv" for name in names))
    for name in names:
        own = {rule for rule, outputs in planned if outputs[0].split("/")[1] == name}
        hull = set() if name == "mpts52" else {"reference_energies"}
        assert own == CHAIN - {"accuracy_schedule", "space_groups"} | {"download_split"} | hull
    shared = {rule for rule, outputs in planned if outputs[0].split("/")[1] not in names}
    assert shared == {"accuracy_schedule", "download_hull", "space_groups"}


def test_alone_it_does_the_demo_and_its_report(project):
    planned = project.jobs()
    assert {rule for rule, _ in planned} == CHAIN | {"all", "reference_energies", *PAGE}
    paths = [path for _, outputs in planned for path in outputs]
    assert all(
        path.startswith(("results/demo/", "results/accuracy_schedules/", "results/space_groups")) for path in paths
    )


def test_several_gpus_share_a_training(project):
    weights = "results/demo/crysbfn/generation/weights.safetensors"
    shown = [
        project.snakemake("--dry-run", "--printshellcmds", weights, *options).stdout
        for options in ((), ("--resources", "gpu=4", "--set-resources", "train:gpu=4"))
    ]
    assert "python -m sunflow.stages.train" in shown[0] and "torch.distributed.run" not in shown[0]
    assert "python -m torch.distributed.run --standalone --nproc-per-node 4 -m sunflow.stages.train" in shown[1]


def test_slurm_profile(project):
    assert rules(project, "--workflow-profile", "profiles/slurm", "results/demo/sun.csv") >= CHAIN


def test_pinned_weights_are_never_trained(project):
    (project.folder / "mine.safetensors").touch()
    (project.folder / "mine.json").touch()
    project.configure(lambda config: config["generators"]["crysbfn"].update(weights="mine.safetensors"))
    planned = project.jobs("results/demo/sun.csv", "results/demo/report.html")
    of_it = {rule for rule, outputs in planned if outputs[0].startswith("results/demo/crysbfn/")}
    assert "train" not in of_it
    assert "sample" in of_it


def test_runs_stand_side_by_side(project):
    def add(config):
        config["generators"]["crysbfn_seed2"] = {**config["generators"]["crysbfn"], "seed": 2}

    project.configure(add)
    trained = [outputs[0] for rule, outputs in project.jobs("results/demo/sun.csv") if rule == "train"]
    assert sorted(trained) == [
        f"results/demo/{name}/generation/weights.safetensors"
        for name in ("crysbfn", "crysbfn_seed2", "random", "substitution", "symmbfn")
    ]


CONTROL = {"train", "sample", "relax", "gather_relaxed", "energy_above_hull", "sun", "measure"}


@pytest.mark.parametrize(("dataset", "name"), [("demo", "random"), ("mp20", "substitution")])
def test_controls_go_through_the_same_stages(project, name, dataset):
    """Without an accuracy schedule, which only what has steps needs, and without a trajectory."""
    project.configure(lambda config: config["datasets"][dataset].update(generators=[name]))
    planned = project.jobs(f"results/{dataset}/sun.csv", f"results/{dataset}/report.html")
    own = f"results/{dataset}/{name}/"
    assert {rule for rule, outputs in planned if outputs[0].startswith(own)} == CONTROL
    assert {"accuracy_schedule", "trajectory"}.isdisjoint(rule for rule, _ in planned)


MATCHING = {"accuracy_schedule", "niggli", "train", "sample", "reference", "match", "match_rate"}
STEPS = ("results/demo/nfe.csv", "results/demo/nfe.svg")


def test_a_control_of_structure_prediction(project):
    """It has no steps to be sampled in."""

    def change(config):
        config["generators"]["random"]["tasks"] = ["structure_prediction"]
        config["datasets"]["demo"]["generators"] = ["random"]

    project.configure(change)
    planned = project.jobs("results/demo/match_rate.csv", *STEPS)
    assert {rule for rule, _ in planned} == MATCHING - {"accuracy_schedule"} | {"nfe"}
    matched = sorted(outputs[0] for rule, outputs in planned if rule == "match")
    assert matched == [
        "results/demo/random/structure_prediction/matches.csv",
        "results/demo/reference/test/matches.csv",
    ]


def predicting(project):
    project.configure(lambda config: config["generators"]["crysbfn"].update(tasks=["structure_prediction"]))
    return project


def test_match_rates(project):
    """Structures of the test compositions are predicted, and the test crystals matched as the control.

    All numbers of steps share one training.
    """
    planned = predicting(project).jobs("results/demo/match_rate.csv", *STEPS)
    assert {rule for rule, _ in planned} == MATCHING | {"sample_in_steps", "match_in_steps", "nfe"}
    made = {rule: sorted(outputs[0] for name, outputs in planned if name == rule) for rule, _ in planned}
    folder = "results/demo/crysbfn/structure_prediction"
    assert made["match"] == [f"{folder}/matches.csv", "results/demo/reference/test/matches.csv"]
    assert len(made["train"]) == 1
    assert made["sample_in_steps"] == sorted(f"{folder}/{steps}_steps/samples.parquet" for steps in (10, 50, 100, 500))


def test_ablations_are_trained_beside_their_base(project):
    """The demo does not run them, and they need no task of their own."""
    planned = project.jobs("results/demo/ablations.csv")
    trained = [outputs[0].split("/")[2:4] for rule, outputs in planned if rule == "train"]
    names = ("crysbfn", "crysbfn_without_entropy", "crysbfn_hand_schedule", "crysbfn_euclidean", "crysbfn_iterated")
    assert sorted(trained) == sorted([name, "structure_prediction"] for name in names)


def test_predicted_structures_are_relaxed_and_judged_like_generated_ones(project):
    planned = predicting(project).jobs("results/demo/sun.csv")
    paths = [path for _, outputs in planned for path in outputs]
    assert "results/demo/crysbfn/structure_prediction/chgnet/sun_crystals.csv" in paths


def test_a_property_is_asked_of_the_datasets_that_have_it(project):
    def add(config):
        config["generators"] |= {
            "gap": {"kind": "symmbfn", "model": {"property": "band_gap"}, "sampling": {"target": 2.0}},
            "gap_unasked": {"kind": "symmbfn", "trained_as": "gap", "sampling": {"target": None}},
            "heat": {"kind": "crysbfn", "model": {"property": "heat_of_formation"}},
        }
        config["datasets"]["mpts52"]["generators"] = ["crysbfn", "gap_unasked"]

    def sampled(target):
        return {outputs[0].split("/")[2] for rule, outputs in project.jobs(target) if rule == "sample"}

    project.configure(add)
    assert sampled("results/mp20/conditional.csv") == {"gap", "gap_unasked"}
    assert sampled("results/perov5/conditional.csv") == {"gap", "gap_unasked", "heat"}
    refused = project.snakemake("--dry-run", "results/mpts52/conditional.csv", check=False)
    assert "no generator can be asked for a property of mpts52" in refused.stdout + refused.stderr


def test_a_second_opinion_has_its_own_relaxer_and_hull(project):
    def add(config):
        config["relaxers"]["chgnet"]["second_opinion"] = "chgnet_papers"

    project.configure(add)
    planned = project.jobs("results/demo/sun.csv")
    assert {rule for rule, _ in planned} == CHAIN | {"reference_energies", "second_opinion"}
    paths = [path for _, outputs in planned for path in outputs]
    assert "results/demo/crysbfn/generation/chgnet/second_opinion.csv" in paths
    assert "results/demo/hull/chgnet_papers.parquet" in paths


def test_a_hull_of_own_entries_is_built_from_own_files(project):
    def change(config):
        config["datasets"]["demo"] |= {"hull": "entries", "hull_files": ["mine.csv"]}

    project.configure(change)
    missing = project.snakemake("--dry-run", "results/demo/sun.csv", check=False)
    assert "datasets.demo.hull_files.0: there is no mine.csv" in missing.stdout + missing.stderr
    (project.folder / "mine.csv").touch()
    assert rules(project, "results/demo/sun.csv") == CHAIN


def test_an_unknown_name_in_a_target(project):
    failed = project.snakemake("--dry-run", "results/mp21/sun.csv", check=False)
    assert failed.returncode != 0
    assert re.search("did you mean.*mp20", failed.stderr + failed.stdout, re.IGNORECASE)


def test_a_wrong_key_stops_before_the_dag(project):
    project.configure(lambda config: config["sun"].update(stabel=0.0))
    failed = project.snakemake("--dry-run", check=False)
    assert failed.returncode != 0
    message = failed.stderr + failed.stdout
    assert "sun.stabel" in message
    assert "stable" in message
    assert "Traceback" not in message


def test_a_missing_own_file_is_named(project):
    failed = project.snakemake("--dry-run", "results/perov5_partial/sun.csv", check=False)
    assert failed.returncode != 0
    assert "datasets.perov5_partial.files.train" in failed.stderr + failed.stdout


def test_without_network_or_mirror_the_download_says_what_to_do(project):
    offline = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    offline["XDG_CACHE_HOME"] = str(project.folder / "cache")
    failed = project.snakemake("--cores", "2", "results/mp20/crystals/train.parquet", check=False, **offline)
    assert failed.returncode != 0
    message = failed.stdout + failed.stderr
    assert "SUNFLOW_MIRROR" in message
    assert "mp_20/train.csv" in message or "mp_20/test.csv" in message


def test_code_is_checked(project):
    linted = project.snakemake("--lint", check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
