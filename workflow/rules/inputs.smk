"""Which files and settings a rule needs, from its wildcards."""

from types import SimpleNamespace

SPLITS = ("train", "val", "test")
HULL_FILES = {"materials_project": ("materials_project", "elements"), "dataset": ("elements",)}


def raw_files(wildcards):
    """The files of a dataset before reduction: downloaded, embedded, or the user's own."""
    dataset = settings.datasets[wildcards.dataset]
    if dataset.source == "official":
        return [f"resources/{wildcards.dataset}/{split}.csv" for split in SPLITS]
    if dataset.source == "embedded":
        return [os.path.relpath(os.path.join(workflow.basedir, "src/sunflow/crystals/demo/demo.parquet"))]
    return [own_file(wildcards.dataset, f"files.{split}", path) for split, path in dataset.files.items()]


def own_file(dataset, key, path):
    """A file of the user's own, in this folder or in the mirror."""
    candidates = [path, os.path.join(settings.mirror, path)] if settings.mirror else [path]
    for candidate in candidates:
        if os.path.exists(candidate):
            return candidate
    raise WorkflowError(
        f"config.yaml: datasets.{dataset}.{key}: there is no {' and no '.join(candidates)};"
        " give a path relative to this folder or to the mirror (mirror: or SUNFLOW_MIRROR)"
    )


def generator_section(wildcards):
    """The settings of a generator on a dataset."""
    return settings.generator(wildcards.dataset, wildcards.generator)


def training_settings(wildcards):
    """What a trained model depends on."""
    section = generator_section(wildcards)
    return {"task": wildcards.task, **{name: section[name] for name in ("kind", "model", "training", "seed")}}


def launcher(num_gpus):
    """What starts a training: Python, or one process per GPU."""
    joined = f" -m torch.distributed.run --standalone --nproc-per-node {num_gpus}"
    return "python" + (joined if num_gpus > 1 else "")


SETTINGS_OF_TASK = {
    "generation": (
        "sampling",
        ("num_crystals", "elements", "chemical_system", "space_groups", "target", "guidance"),
    ),
    "structure_prediction": ("prediction", ("num_compositions", "num_candidates")),
}


def sampling_settings(wildcards):
    """What its samples depend on, besides the weights."""
    section = generator_section(wildcards)
    name, keys = SETTINGS_OF_TASK[wildcards.task]
    return {
        **{key: section["sampling"][key] for key in ("batch_size", "sampler")},
        **{key: section[name][key] for key in keys},
        "num_steps": sampling_steps(wildcards),
        "seed": section["seed"],
    }


def sampling_steps(wildcards):
    """In how many steps it samples: those of the path, of the configuration or of its training; None without steps."""
    section = generator_section(wildcards)
    if not settings.generators[wildcards.generator].has_steps:
        return None
    steps = getattr(wildcards, "num_steps", None) or section["sampling"]["num_steps"] or section["model"]["num_steps"]
    return int(steps)


def targets_of(wildcards):
    """The crystals whose compositions structure prediction is given."""
    task = wildcards.task
    return f"results/{wildcards.dataset}/crystals/test.parquet" if task == "structure_prediction" else []


def split_of_generator(split):
    """A split in the representation that a generator learns from."""

    def path(wildcards):
        representation = MODELS[settings.generators[wildcards.generator].kind].representation
        return f"results/{wildcards.dataset}/{representation}/{split}.parquet"

    return path


def space_groups_of_generator(wildcards):
    """The tables of space groups, for generators that learn asymmetric units."""
    kind = MODELS[settings.generators[wildcards.generator].kind]
    return "results/space_groups.safetensors" if kind.representation == "asymmetric_units" else []


def asymmetric_unit_settings(wildcards):
    """What the asymmetric units of a dataset depend on."""
    return {"symprec": settings.datasets[wildcards.dataset].symmetry_tolerance}


def schedule(model, num_steps):
    """The accuracy schedule of a model that is sampled in this many steps, where it takes one."""
    if "schedule" not in model:
        return []
    return f"results/accuracy_schedules/{model['schedule']}_{num_steps}_steps_to_{model['final_accuracy']}.csv"


def training_schedule(wildcards):
    """The schedule that a generator is trained with."""
    model = generator_section(wildcards)["model"]
    return schedule(model, model.get("num_steps"))


def sampling_schedule(wildcards):
    """The schedule that it is sampled with."""
    return schedule(generator_section(wildcards)["model"], sampling_steps(wildcards))


def weights_of(wildcards):
    """The weights to sample with: pinned ones, or those that the workflow trains."""
    pinned_weights = generator_section(wildcards)["weights"]
    trained = settings.generators[wildcards.generator].trained_as or wildcards.generator
    return pinned_weights or f"results/{wildcards.dataset}/{trained}/{wildcards.task}/weights.safetensors"


def description_of(wildcards):
    """The JSON file beside the weights."""
    return weights_of(wildcards).removesuffix(".safetensors") + ".json"


def relaxation_settings(wildcards):
    """What a relaxed crystal depends on."""
    section = settings.relaxer(wildcards.dataset, wildcards.relaxer)
    return {name: value for name, value in section.items() if name not in ("parts", "second_opinion")}


def relaxed_parts(wildcards):
    """The parts that a set of crystals is relaxed in."""
    parts = settings.relaxer(wildcards.dataset, wildcards.relaxer)["parts"]
    folder = "results/{dataset}/{generator}/{task}/{relaxer}/parts".format(**wildcards)
    return [f"{folder}/{part}_of_{parts}.parquet" for part in range(parts)]


def reference_settings(wildcards):
    """Which test crystals are the positive control."""
    return {"num_crystals": settings.sun.num_reference, "seed": settings.seed}


def hull_settings(wildcards):
    """Which hull."""
    return {"kind": settings.datasets[wildcards.dataset].hull}


def hull_files(wildcards):
    """What a hull is built from, besides the dataset."""
    kind = settings.datasets[wildcards.dataset].hull
    if kind == "self_consistent":
        return f"results/{wildcards.dataset}/hull/{wildcards.relaxer}_energies.parquet"
    if kind == "entries":
        files = settings.datasets[wildcards.dataset].hull_files
        return [own_file(wildcards.dataset, f"hull_files.{place}", path) for place, path in enumerate(files)]
    return [f"resources/hull/{name}.gz" for name in HULL_FILES[kind]]


def hull_quality_settings(wildcards):
    """By what a hull is tested."""
    return {**thresholds(), "num_compositions": settings.sun.num_left_out, "seed": settings.seed}


def sun_settings(wildcards):
    """How crystals are judged."""
    return {**thresholds(), "compare": settings.sun.compare}


def thresholds():
    """Where stable and metastable end."""
    return settings.sun.model_dump(include={"stable", "metastable"})


def second(wildcards):
    """The same dataset with the relaxer whose verdict is asked for as well."""
    name = settings.relaxer(wildcards.dataset, wildcards.relaxer)["second_opinion"]
    return SimpleNamespace(dataset=wildcards.dataset, relaxer=name)


def second_relaxation_settings(wildcards):
    """What the second opinion depends on."""
    return {**relaxation_settings(second(wildcards)), "stable": settings.sun.stable}


def environment_of_generator(wildcards):
    """The environment that it is trained and sampled in."""
    return f"../../envs/{MODELS[settings.generators[wildcards.generator].kind].environment}.yaml"


def packages_of_generator(wildcards):
    """The pinned versions of the packages that its crystals depend on."""
    return pinned(*MODELS[settings.generators[wildcards.generator].kind].packages)


def environment_of_relaxer(wildcards):
    """The environment that its potential runs in; an ASE calculator's package must be added to that of CHGNet."""
    potential = settings.relaxer(wildcards.dataset, wildcards.relaxer)["potential"]
    return f"../../envs/{'chgnet' if is_import_path(potential) else potential}.yaml"


def environment_of_second_relaxer(wildcards):
    """That of the second opinion."""
    return environment_of_relaxer(second(wildcards))


def second_hull(wildcards):
    """The hull on the scale of the second opinion."""
    return f"results/{wildcards.dataset}/hull/{second(wildcards).relaxer}.parquet"


def second_opinions(wildcards):
    """The second opinions that stand in a dataset's table."""
    folder = f"results/{wildcards.dataset}"
    return [
        "{0}/{generator}/{task}/{relaxer}/second_opinion.csv".format(folder, **row)
        for row in judged(wildcards.dataset)
        if row["second_opinion"]
    ]


def judged(dataset):
    """One entry per row of a dataset's table, the reference last."""
    generated = [(name, task) for name in settings.generators_of(dataset) for task in settings.generators[name].tasks]
    return [
        {
            "generator": generator,
            "task": task,
            "relaxer": relaxer,
            "hull": settings.datasets[dataset].hull,
            "second_opinion": settings.relaxer(dataset, relaxer)["second_opinion"],
        }
        for relaxer in settings.relaxers_of(dataset)
        for generator, task in [*generated, ("reference", "test")]
    ]


def judged_files(pattern):
    """This file for every row of the table."""

    def files(wildcards):
        rows = judged(wildcards.dataset)
        return [f"results/{wildcards.dataset}/{pattern}".format(**row) for row in rows]

    return files


def predicted(dataset):
    """One entry per structure prediction of a dataset, with the reference last."""
    rows = [
        prediction(dataset, name)
        for name in settings.generators_of(dataset)
        if "structure_prediction" in settings.generators[name].tasks
    ]
    return [*rows, {"generator": "reference", "task": "test", "num_steps": None}]


def predicted_in_steps(dataset):
    """One entry per number of steps and generator that predicts structures in steps."""
    return [
        {**row, "num_steps": num_steps, "changed": f"num_steps={num_steps}"}
        for row in predicted(dataset)
        if row["num_steps"]
        for num_steps in settings.generator(dataset, row["generator"])["prediction"]["num_steps"]
    ]


def match_rates(wildcards):
    """The match rates of a dataset, where a generator predicts structures."""
    return [f"results/{wildcards.dataset}/match_rate.csv"] if len(predicted(wildcards.dataset)) > 1 else []


def ablated(dataset):
    """One entry per ablation and base, with what was changed."""
    changes = settings.ablations_of(dataset)
    return [{**prediction(dataset, name), "changed": changed} for name, changed in changes.items()]


def prediction(dataset, generator):
    """What names a structure prediction with the number of steps of the configuration."""
    named = SimpleNamespace(dataset=dataset, generator=generator)
    return {"generator": generator, "task": "structure_prediction", "num_steps": sampling_steps(named)}


def files_of_predictions(rows, pattern):
    """This file for every one of these rows."""
    return lambda wildcards: [f"results/{wildcards.dataset}/{pattern}".format(**row) for row in rows(wildcards.dataset)]


def trained(name):
    """This file for every generator that the workflow trains on a dataset."""

    def files(wildcards):
        folder = f"results/{wildcards.dataset}"
        return [
            f"{folder}/{generator}/{task}/{name}"
            for generator in settings.generators_of(wildcards.dataset)
            if not settings.generator(wildcards.dataset, generator)["weights"]
            and not settings.generators[generator].trained_as
            for task in settings.generators[generator].tasks
        ]

    return files


def hulls_of_rows(wildcards):
    """The hull of every row of the table."""
    return [f"results/{wildcards.dataset}/hull/{row['relaxer']}.parquet" for row in judged(wildcards.dataset)]


def hull_qualities(wildcards):
    """How far each hull can be trusted."""
    folder = f"results/{wildcards.dataset}/hull"
    return [f"{folder}/{relaxer}_quality.csv" for relaxer in settings.relaxers_of(wildcards.dataset)]


def files_of_dataset(wildcards):
    """The files whose hashes say what a dataset's results were made from, by name."""
    folder = f"results/{wildcards.dataset}"
    files = {split: f"{folder}/crystals/{split}.parquet" for split in SPLITS}
    files["table"] = f"{folder}/sun.csv"
    for row, hull in zip(judged(wildcards.dataset), hulls_of_rows(wildcards)):
        run = "{generator}_{task}".format(**row)
        files[f"{run}_samples"] = f"{folder}/{row['generator']}/{row['task']}/samples.parquet"
        files[f"{run}_{row['relaxer']}"] = "{0}/{generator}/{task}/{relaxer}/relaxed.parquet".format(folder, **row)
        files[f"{row['relaxer']}_hull"] = hull
        files[f"{row['relaxer']}_hull_quality"] = hull.replace(".parquet", "_quality.csv")
        if row["generator"] != "reference":
            named = SimpleNamespace(dataset=wildcards.dataset, **row)
            files[f"{run}_weights"] = weights_of(named)
    return files


def configuration_of(dataset):
    """Everything in the configuration that touches a dataset."""
    return {
        "dataset": {**settings.dataset(dataset), "hull": settings.datasets[dataset].hull},
        "generators": {name: settings.generator(dataset, name) for name in settings.generators_of(dataset)},
        "relaxers": {name: settings.relaxer(dataset, name) for name in settings.relaxers_of(dataset)},
        "sun": settings.sun.model_dump(),
        "seed": settings.seed,
    }


def report_settings(dataset):
    """What the page says besides its inputs."""
    return {"dataset": dataset, "rows": judged(dataset), "thresholds": thresholds()}


def judged_first(wildcards):
    """The verdicts on samples by the first relaxer of their dataset."""
    relaxer = settings.relaxers_of(wildcards.dataset)[0]
    return f"results/{wildcards.dataset}/{wildcards.generator}/{wildcards.task}/{relaxer}/sun_crystals.csv"


def trajectories(wildcards):
    """How one crystal of every generator that makes it step by step came to be."""
    return [
        f"results/{wildcards.dataset}/{name}/generation/trajectory.parquet"
        for name in settings.generators_of(wildcards.dataset)
        if "generation" in settings.generators[name].tasks and settings.generators[name].has_steps
    ]


def generating(dataset):
    """The generators whose crystals are judged by the metrics of generation."""
    return [name for name in settings.generators_of(dataset) if "generation" in settings.generators[name].tasks]


def measures(wildcards):
    """The measures of the crystals of every generator."""
    folder = f"results/{wildcards.dataset}"
    return [f"{folder}/{name}/generation/measures.parquet" for name in generating(wildcards.dataset)]


def relaxed_first(wildcards):
    """The crystals of every generator, relaxed by the first relaxer."""
    relaxer = settings.relaxers_of(wildcards.dataset)[0]
    folder = f"results/{wildcards.dataset}"
    return [f"{folder}/{name}/generation/{relaxer}/relaxed.parquet" for name in generating(wildcards.dataset)]


def relaxed_reference(wildcards):
    """The positive control, relaxed by the first relaxer."""
    return f"results/{wildcards.dataset}/reference/test/{settings.relaxers_of(wildcards.dataset)[0]}/relaxed.parquet"


def metrics_settings(dataset):
    """Whose measures they are, and what they are compared with."""
    return {"generators": generating(dataset), "benchmark": settings.benchmark_of(dataset), "seed": settings.seed}
