rule match:
    input:
        samples="results/{dataset}/{generator}/{task}/samples.parquet",
        test="results/{dataset}/crystals/test.parquet",
    output:
        "results/{dataset}/{generator}/{task}/matches.csv",
    log:
        "logs/{dataset}/{generator}/{task}/match.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/match.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime="4h",
    params:
        code=code_of("match"),
        versions=pinned("pymatgen", "pymatgen-core", "smact"),
    shell:
        "python -m sunflow.stages.match --samples {input.samples} --test {input.test} --threads {threads}"
        " --output {output} > {log} 2>&1"


use rule match as match_in_steps with:
    input:
        samples="results/{dataset}/{generator}/{task}/{num_steps}_steps/samples.parquet",
        test="results/{dataset}/crystals/test.parquet",
    output:
        "results/{dataset}/{generator}/{task}/{num_steps}_steps/matches.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{num_steps}_steps/match.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{num_steps}_steps/match.benchmark.tsv"


rule match_rate:
    input:
        matches=files_of_predictions(predicted, "{generator}/{task}/matches.csv"),
        times=files_of_predictions(predicted, "{generator}/{task}/sampling_time.json"),
    output:
        table=report(
            "results/{dataset}/match_rate.csv",
            caption="../report/match_rate.rst",
            category="Structure prediction",
            labels={"dataset": "{dataset}", "table": "match rate"},
        ),
    log:
        "logs/{dataset}/match_rate.log",
    benchmark:
        "logs/{dataset}/match_rate.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        rows=lambda wildcards: as_json(predicted(wildcards.dataset)),
        benchmark=lambda wildcards: settings.benchmark_of(wildcards.dataset) or "",
        code=code_of("match_rate"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
    shell:
        "python -m sunflow.stages.match_rate --rows {params.rows:q} --matches {input.matches} --times {input.times}"
        " --benchmark {params.benchmark:q} --output {output.table} > {log} 2>&1"


use rule match_rate as ablations with:
    input:
        matches=files_of_predictions(ablated, "{generator}/{task}/matches.csv"),
        times=files_of_predictions(ablated, "{generator}/{task}/sampling_time.json"),
    output:
        table=report(
            "results/{dataset}/ablations.csv",
            caption="../report/ablations.rst",
            category="Structure prediction",
            labels={"dataset": "{dataset}", "table": "ablations"},
        ),
    log:
        "logs/{dataset}/ablations.log",
    benchmark:
        "logs/{dataset}/ablations.benchmark.tsv"
    params:
        rows=lambda wildcards: as_json(ablated(wildcards.dataset)),
        benchmark="",
        code=code_of("match_rate"),


rule nfe:
    input:
        matches=files_of_predictions(predicted_in_steps, "{generator}/{task}/{num_steps}_steps/matches.csv"),
        times=files_of_predictions(predicted_in_steps, "{generator}/{task}/{num_steps}_steps/sampling_time.json"),
    output:
        table=report(
            "results/{dataset}/nfe.csv",
            caption="../report/nfe.rst",
            category="Structure prediction",
            labels={"dataset": "{dataset}", "table": "numbers of steps"},
        ),
        plot=report(
            "results/{dataset}/nfe.svg",
            caption="../report/nfe.rst",
            category="Structure prediction",
            labels={"dataset": "{dataset}", "table": "numbers of steps, plotted"},
        ),
    log:
        "logs/{dataset}/nfe.log",
    benchmark:
        "logs/{dataset}/nfe.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        rows=lambda wildcards: as_json(predicted_in_steps(wildcards.dataset)),
        code=code_of("match_rate"),
    shell:
        "python -m sunflow.stages.match_rate --rows {params.rows:q} --matches {input.matches} --times {input.times}"
        " --output {output.table} --output-plot {output.plot} > {log} 2>&1"
