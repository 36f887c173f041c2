include: "conditional_inputs.smk"


rule sun_table:
    input:
        tables=judged_files("{generator}/{task}/{relaxer}/sun_crystals.csv"),
        times=judged_files("{generator}/{task}/sampling_time.json"),
        hulls=hulls_of_rows,
        opinions=second_opinions,
    output:
        table=report(
            "results/{dataset}/sun.csv",
            caption="../report/sun_table.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "rates"},
        ),
        curve=report(
            "results/{dataset}/sun_curve.csv",
            caption="../report/sun_curve.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "rates over thresholds"},
        ),
    log:
        "logs/{dataset}/sun_table.log",
    benchmark:
        "logs/{dataset}/sun_table.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json({"rows": judged(wildcards.dataset)}),
        code=code_of("sun_table"),
    shell:
        "python -m sunflow.stages.sun_table --settings {params.settings:q} --tables {input.tables}"
        " --times {input.times} --hulls {input.hulls} --opinions {input.opinions} --output {output.table}"
        " --output-curve {output.curve} --logs logs/{wildcards.dataset} > {log} 2>&1"


rule provenance:
    input:
        unpack(files_of_dataset),
    output:
        "results/{dataset}/provenance.json",
    log:
        "logs/{dataset}/provenance.log",
    benchmark:
        "logs/{dataset}/provenance.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(configuration_of(wildcards.dataset)),
        files=lambda wildcards, input: as_json(dict(input.items())),
        code=code_of("provenance"),
    shell:
        "python -m sunflow.stages.provenance --settings {params.settings:q} --files {params.files:q}"
        " --logs logs/{wildcards.dataset} --output {output} > {log} 2>&1"


rule report:
    input:
        table="results/{dataset}/sun.csv",
        crystals=judged_files("{generator}/{task}/{relaxer}/sun_crystals.csv"),
        relaxed=judged_files("{generator}/{task}/{relaxer}/relaxed.parquet"),
        curves=trained("training_curve.csv"),
        trajectories=trajectories,
        qualities=hull_qualities,
        validity="results/{dataset}/validity.csv",
        coverage="results/{dataset}/coverage.csv",
        distributions="results/{dataset}/distributions.csv",
        match_rate=match_rates,
        conditional=conditional_tables,
        measures=measures,
        reference="results/{dataset}/crystals/test_measures.parquet",
        summary="results/{dataset}/crystals/summary.csv",
        provenance="results/{dataset}/provenance.json",
    output:
        page=report(
            "results/{dataset}/report.html",
            caption="../report/report_page.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "page"},
        ),
        histogram=report(
            "results/{dataset}/hull_histogram.svg",
            caption="../report/hull_histogram.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "energies above hull"},
        ),
    log:
        "logs/{dataset}/report.log",
    benchmark:
        "logs/{dataset}/report.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(report_settings(wildcards.dataset)),
        curve_names=lambda wildcards, input: [path.split("/")[2] for path in input.curves],
        trajectory_names=lambda wildcards, input: [path.split("/")[2] for path in input.trajectories],
        measure_names=lambda wildcards, input: [path.split("/")[2] for path in input.measures],
        code=code_of("report"),
        templates=content_of("src/sunflow/report/*.jinja"),
    shell:
        "python -m sunflow.stages.report --settings {params.settings:q} --table {input.table}"
        " --crystals {input.crystals} --relaxed {input.relaxed} --curves {input.curves}"
        " --curve-names {params.curve_names} --trajectories {input.trajectories}"
        " --trajectory-names {params.trajectory_names} --qualities {input.qualities}"
        " --validity {input.validity} --coverage {input.coverage} --distributions {input.distributions}"
        " --match-rate {input.match_rate} --conditional {input.conditional}"
        " --measures {input.measures} --measure-names {params.measure_names} --reference {input.reference}"
        " --summary {input.summary} --provenance {input.provenance}"
        " --output {output.page} --output-histogram {output.histogram} > {log} 2>&1"
