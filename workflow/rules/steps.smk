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
    steps, others = [], []
    for generator in (base, name):
        section = settings.generator(dataset, generator)
        others.append({**section, "sampling": {**section["sampling"], "num_steps": None}})
        steps.append(sampling_steps(SimpleNamespace(dataset=dataset, generator=generator)))
    return steps[0] != steps[1] and others[0] == others[1]


use rule sun_table as steps_rates with:
    input:
        tables=files_of_predictions(sampled_in_steps, "{generator}/{task}/{relaxer}/sun_crystals.csv"),
        times=files_of_predictions(sampled_in_steps, "{generator}/{task}/sampling_time.json"),
        hulls=files_of_predictions(sampled_in_steps, "hull/{relaxer}.parquet"),
        opinions=[],
    output:
        table="results/{dataset}/steps_rates.csv",
        curve="results/{dataset}/steps_curve.csv",
    log:
        "logs/{dataset}/steps_rates.log",
    benchmark:
        "logs/{dataset}/steps_rates.benchmark.tsv"
    params:
        settings=lambda wildcards: as_json({"rows": sampled_in_steps(wildcards.dataset)}),
        code=code_of("sun_table"),


rule steps:
    input:
        "results/{dataset}/steps_rates.csv",
    output:
        table=report(
            "results/{dataset}/steps.csv",
            caption="../report/steps.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "numbers of steps"},
        ),
        plot=report(
            "results/{dataset}/steps.svg",
            caption="../report/steps.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "numbers of steps, plotted"},
        ),
    log:
        "logs/{dataset}/steps.log",
    benchmark:
        "logs/{dataset}/steps.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(
            {"rows": sampled_in_steps(wildcards.dataset), "benchmark": settings.benchmark_of(wildcards.dataset)}
        ),
        code=code_of("steps"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
    shell:
        "python -m sunflow.stages.steps --settings {params.settings:q} --table {input}"
        " --output {output.table} --output-plot {output.plot} > {log} 2>&1"
