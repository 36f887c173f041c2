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
