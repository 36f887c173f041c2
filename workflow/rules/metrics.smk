rule measure:
    input:
        crystals="results/{dataset}/{generator}/generation/samples.parquet",
    output:
        measures="results/{dataset}/{generator}/generation/measures.parquet",
        table="results/{dataset}/{generator}/generation/measures.csv",
    log:
        "logs/{dataset}/{generator}/generation/measure.log",
    benchmark:
        "logs/{dataset}/{generator}/generation/measure.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime="4h",
    params:
        code=code_of("measure"),
        versions=pinned("pymatgen", "pymatgen-core", "matminer", "smact", "spglib", "scipy"),
    shell:
        "python -m sunflow.stages.measure --crystals {input.crystals} --threads {threads}"
        " --output {output.measures} --output-table {output.table} > {log} 2>&1"


use rule measure as measure_test with:
    input:
        crystals="results/{dataset}/crystals/test.parquet",
    output:
        measures="results/{dataset}/crystals/test_measures.parquet",
        table="results/{dataset}/crystals/test_measures.csv",
    log:
        "logs/{dataset}/measure_test.log",
    benchmark:
        "logs/{dataset}/measure_test.benchmark.tsv"


rule validity:
    input:
        measures=measures,
        reference="results/{dataset}/crystals/test_measures.parquet",
    output:
        report(
            "results/{dataset}/validity.csv",
            caption="../report/validity.rst",
            category="Metrics",
            labels={"dataset": "{dataset}", "table": "validity"},
        ),
    log:
        "logs/{dataset}/validity.log",
    benchmark:
        "logs/{dataset}/validity.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(metrics_settings(wildcards.dataset)),
        code=code_of("validity"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
    shell:
        "python -m sunflow.stages.validity --settings {params.settings:q} --measures {input.measures}"
        " --reference {input.reference} --output {output} > {log} 2>&1"


rule coverage:
    input:
        measures=measures,
        reference="results/{dataset}/crystals/test_measures.parquet",
    output:
        report(
            "results/{dataset}/coverage.csv",
            caption="../report/coverage.rst",
            category="Metrics",
            labels={"dataset": "{dataset}", "table": "coverage"},
        ),
    log:
        "logs/{dataset}/coverage.log",
    benchmark:
        "logs/{dataset}/coverage.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        settings=lambda wildcards: as_json(metrics_settings(wildcards.dataset)),
        code=code_of("coverage"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
        versions=pinned("scipy"),
    shell:
        "python -m sunflow.stages.coverage --settings {params.settings:q} --measures {input.measures}"
        " --reference {input.reference} --output {output} > {log} 2>&1"


rule distributions:
    input:
        measures=measures,
        relaxed=relaxed_first,
        reference="results/{dataset}/crystals/test_measures.parquet",
        relaxed_reference=relaxed_reference,
    output:
        report(
            "results/{dataset}/distributions.csv",
            caption="../report/distributions.rst",
            category="Metrics",
            labels={"dataset": "{dataset}", "table": "distributions"},
        ),
    log:
        "logs/{dataset}/distributions.log",
    benchmark:
        "logs/{dataset}/distributions.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        settings=lambda wildcards: as_json(metrics_settings(wildcards.dataset)),
        code=code_of("distributions"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
        versions=pinned("scipy"),
    shell:
        "python -m sunflow.stages.distributions --settings {params.settings:q} --measures {input.measures}"
        " --relaxed {input.relaxed} --reference {input.reference} --relaxed-reference {input.relaxed_reference}"
        " --output {output} > {log} 2>&1"
