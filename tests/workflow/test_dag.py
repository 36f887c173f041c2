"""The chain that Snakemake plans, and what it says when it cannot."""

import re

import pytest

CHAIN = {
    "accuracy_schedule",
    "energy_above_hull",
    "gather_relaxed",
    "hull",
    "niggli",
    "reference",
    "relax",
    "sample",
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


@pytest.mark.parametrize("dataset", ["perov5", "carbon24", "mpts52"])
def test_every_official_dataset(project, dataset):
    hull = {"download_hull"} if dataset == "mpts52" else {"reference_energies"}
    assert rules(project, f"results/{dataset}/sun.csv") == CHAIN | {"download_split"} | hull


def test_alone_it_does_the_demo_and_its_report(project):
    planned = project.jobs()
    assert {rule for rule, _ in planned} == CHAIN | {"all", "reference_energies", *PAGE}
    paths = [path for _, outputs in planned for path in outputs]
    assert all(path.startswith(("results/demo/", "results/accuracy_schedules/")) for path in paths)


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
        for name in ("crysbfn", "crysbfn_seed2", "random", "substitution")
    ]


CONTROL = {"train", "sample", "relax", "gather_relaxed", "energy_above_hull", "sun"}


@pytest.mark.parametrize(("dataset", "name"), [("demo", "random"), ("mp20", "substitution")])
def test_controls_go_through_the_same_stages(project, name, dataset):
    """Without an accuracy schedule, which only what has steps needs, and without a trajectory."""
    own = f"results/{dataset}/{name}/"
    planned = project.jobs(f"results/{dataset}/sun.csv")
    assert {rule for rule, outputs in planned if outputs[0].startswith(own)} == CONTROL
    planned = project.jobs(f"results/{dataset}/report.html")
    assert "trajectory" not in {rule for rule, outputs in planned if outputs[0].startswith(own)}
    alone = rules(project, f"results/{dataset}/{name}/generation/samples.parquet")
    assert "accuracy_schedule" not in alone and {"train", "sample"} <= alone


def test_a_control_of_structure_prediction(project):
    def change(config):
        config["generators"]["random"]["tasks"] = ["structure_prediction"]
        config["datasets"]["demo"]["generators"] = ["random"]

    project.configure(change)
    planned = project.jobs("results/demo/match_rate.csv")
    matched = sorted(outputs[0] for rule, outputs in planned if rule == "match")
    assert matched == [
        "results/demo/random/structure_prediction/matches.csv",
        "results/demo/reference/test/matches.csv",
    ]
    assert [rule for rule, _ in project.jobs("results/demo/nfe.csv", "results/demo/nfe.svg")] == ["nfe"]


def predicting(project):
    project.configure(lambda config: config["generators"]["crysbfn"].update(tasks=["structure_prediction"]))
    return project


def test_match_rates(project):
    """Structures of the test compositions are predicted, and the test crystals matched as the control."""
    planned = predicting(project).jobs("results/demo/match_rate.csv")
    chain = {"accuracy_schedule", "niggli", "train", "sample", "reference", "match", "match_rate"}
    assert {rule for rule, _ in planned} == chain
    matched = [outputs[0] for rule, outputs in planned if rule == "match"]
    assert sorted(matched) == [
        "results/demo/crysbfn/structure_prediction/matches.csv",
        "results/demo/reference/test/matches.csv",
    ]


def test_numbers_of_steps_share_one_training(project):
    planned = predicting(project).jobs("results/demo/nfe.csv", "results/demo/nfe.svg")
    assert [rule for rule, _ in planned].count("train") == 1
    sampled = [outputs[0] for rule, outputs in planned if rule == "sample_in_steps"]
    folder = "results/demo/crysbfn/structure_prediction"
    assert sorted(sampled) == sorted(f"{folder}/{steps}_steps/samples.parquet" for steps in (10, 50, 100, 500))


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


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("results/mp21/sun.csv", "mp20"),
        ("results/mp20/crysbnf/generation/samples.parquet", "crysbfn"),
    ],
)
def test_unknown_names_in_a_target(project, target, message):
    failed = project.snakemake("--dry-run", target, check=False)
    assert failed.returncode != 0
    assert re.search(rf"did you mean.*{message}", failed.stderr + failed.stdout, re.IGNORECASE)


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
    failed = project.snakemake("--cores", "2", "--notemp", "results/mp20/sun.csv", check=False, **offline)
    assert failed.returncode != 0
    message = failed.stdout + failed.stderr
    assert "SUNFLOW_MIRROR" in message
    assert "mp_20/train.csv" in message or "mp_20/test.csv" in message


def test_code_is_checked(project):
    linted = project.snakemake("--lint", check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
