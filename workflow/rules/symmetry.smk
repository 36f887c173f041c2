rule space_groups:
    output:
        "results/space_groups.safetensors",
    log:
        "logs/space_groups.log",
    benchmark:
        "logs/space_groups.benchmark.tsv"
    conda:
        "../../envs/controls.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        code=code_of("space_groups"),
        versions=pinned("pyxtal"),
    shell:
        "python -m sunflow.stages.space_groups --output {output} > {log} 2>&1"


rule asymmetric_units:
    input:
        crystals="results/{dataset}/crystals/{split}.parquet",
        space_groups="results/space_groups.safetensors",
    output:
        units="results/{dataset}/asymmetric_units/{split}.parquet",
        summary=report(
            "results/{dataset}/asymmetric_units/{split}_summary.csv",
            caption="../report/asymmetric_units.rst",
            category="Data",
            labels={"dataset": "{dataset}", "file": "asymmetric units of {split}"},
        ),
    log:
        "logs/{dataset}/asymmetric_units_{split}.log",
    benchmark:
        "logs/{dataset}/asymmetric_units_{split}.benchmark.tsv"
    conda:
        "../../envs/controls.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime="2h",
    params:
        settings=lambda wildcards: as_json(asymmetric_unit_settings(wildcards)),
        code=code_of("asymmetric_units"),
        versions=pinned("spglib", "torch"),
    shell:
        "python -m sunflow.stages.asymmetric_units --settings {params.settings:q} --crystals {input.crystals}"
        " --space-groups {input.space_groups} --threads {threads} --output {output.units}"
        " --output-summary {output.summary} > {log} 2>&1"
