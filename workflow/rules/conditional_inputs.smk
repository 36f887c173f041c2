"""Which crystals were asked for which property, and by what it is judged."""

FORMATION_ENERGY = "formation_energy_per_atom"
"""The property that potentials give an estimate of; others need a network."""


def asked_property(dataset, generator):
    """The property that a generator's crystals can be asked for, which is in its weights; None where there is none."""
    trained = settings.generators[generator].trained_as or generator
    return settings.generator(dataset, trained)["model"].get("property")


def conditioned(dataset):
    """The generators whose crystals can be asked for a property of the dataset, and others that are trained as one."""
    runs = settings.generators_of(dataset)
    return [
        name
        for name, section in settings.generators.items()
        if "generation" in section.tasks
        and (name in runs or section.trained_as in runs)
        and has_property(dataset, asked_property(dataset, name))
    ]


def has_property(dataset, name):
    """Whether the crystals of a dataset may have this property; the embedded ones know theirs."""
    section = settings.datasets[dataset]
    return name is not None and (section.source == "embedded" or name in section.properties)


def asked(dataset):
    """One entry per relaxer, property and set of crystals that is judged by it, each property's reference last."""
    names = conditioned(dataset)
    properties = dict.fromkeys(asked_property(dataset, name) for name in names)
    of_reference = {"generator": "reference", "task": "test", "target": None, "guidance": None}
    return [
        {**row, "relaxer": relaxer, "property": property}
        for relaxer in settings.relaxers_of(dataset)
        for property in properties
        for row in [
            *(asked_of(dataset, name) for name in names if asked_property(dataset, name) == property),
            of_reference,
        ]
    ]


def asked_of(dataset, generator):
    """What a generator's crystals are asked for; guidance means nothing without a target."""
    sampling = settings.generator(dataset, generator)["sampling"]
    target, guidance = sampling["target"], sampling["guidance"]
    told = {"target": target, "guidance": None if target is None else guidance}
    return {"generator": generator, "task": "generation", **told}


def estimates(dataset):
    """One entry per row of `asked` and estimate of its property, with the estimate's file and column."""
    if not conditioned(dataset):
        raise WorkflowError(
            f"config.yaml: no generator can be asked for a property of {dataset}: give one `model: {{property: ...}}`"
        )
    return [{**row, **estimate} for row in asked(dataset) for estimate in estimates_of(dataset, row)]


def estimates_of(dataset, row):
    """By what a property is judged: formation energies by the relaxer and its second opinion, others by a network."""
    if row["property"] != FORMATION_ENERGY:
        file = f"properties/{row['property']}.csv"
        return [{"estimate": "network", "column": row["property"], "file": file}]
    own = {"estimate": row["relaxer"], "column": FORMATION_ENERGY, "file": "sun_crystals.csv"}
    other = settings.relaxer(dataset, row["relaxer"])["second_opinion"]
    column, file = f"second_{FORMATION_ENERGY}", "second_opinion_of_metastable.csv"
    return [own] + ([{"estimate": other, "column": column, "file": file}] if other else [])


def estimated_files(pattern):
    """This file for every row of conditional.csv that a generator or the reference stands for."""

    def files(wildcards):
        rows = estimates(wildcards.dataset)
        return [f"results/{wildcards.dataset}/{pattern}".format(**row) for row in rows]

    return files


def property_networks(wildcards):
    """The descriptions of the networks that properties are judged by."""
    named = dict.fromkeys(row["property"] for row in estimates(wildcards.dataset) if row["estimate"] == "network")
    return [f"results/{wildcards.dataset}/properties/{name}/weights.json" for name in named]


def conditional_tables(wildcards):
    """conditional.csv, where a generator that runs by default, or that the dataset names, can be asked for a property."""
    run = settings.generators_of(wildcards.dataset)
    wanted = set(conditioned(wildcards.dataset)) & set(run)
    return [f"results/{wildcards.dataset}/conditional.csv"] if wanted else []


def sampled_in_steps(dataset):
    """One entry per relaxer and generator that differs from another in its number of steps alone, after that other."""
    followers = {}
    for name, section in settings.generators.items():
        base = section.trained_as
        if base and "generation" in section.tasks and differs_in_steps_alone(dataset, base, name):
            followers.setdefault(base, []).append(name)
    if not followers:
        raise WorkflowError(
            "config.yaml: no generator differs from another one in its number of steps alone: add some, each with"
            " `trained_as: <name>` and `sampling: {num_steps: ...}`"
        )
    return [
        {
            "generator": name,
            "base": base,
            "num_steps": sampling_steps(SimpleNamespace(dataset=dataset, generator=name)),
            "task": "generation",
            "relaxer": relaxer,
            "hull": settings.datasets[dataset].hull,
            "second_opinion": None,
        }
        for relaxer in settings.relaxers_of(dataset)
        for base, names in followers.items()
        for name in [base, *names]
    ]


def differs_in_steps_alone(dataset, base, name):
    """Whether two generators make as many crystals in the same way, but in other numbers of steps."""
    if settings.generators[name].sampling.target is not None and not asked_property(dataset, base):
        return False
    steps, others = [], []
    for generator in (base, name):
        section = settings.generator(dataset, generator)
        others.append({**section, "sampling": {**section["sampling"], "num_steps": None}})
        steps.append(sampling_steps(SimpleNamespace(dataset=dataset, generator=generator)))
    return steps[0] != steps[1] and others[0] == others[1]
