rule sun_table:
    input:
        tables=judged_files("{generator}/{task}/{relaxer}/sun_crystals.csv"),
        times=judged_files("{generator}/{task}/sampling_time.json"),
        hulls=hulls_of_rows,
    output:
        report(
            "results/{dataset}/sun.csv",
            caption="../report/sun_table.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "rates"},
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
        " --times {input.times} --hulls {input.hulls} --output {output} > {log} 2>&1"
