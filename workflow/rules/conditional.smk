use rule measure as measure_split with:
    input:
        crystals="results/{dataset}/crystals/{split}.parquet",
    output:
        measures="results/{dataset}/crystals/{split}_measures.parquet",
        table="results/{dataset}/crystals/{split}_measures.csv",
    log:
        "logs/{dataset}/measure_{split}.log",
    benchmark:
        "logs/{dataset}/measure_{split}.benchmark.tsv"
    wildcard_constraints:
        split="train|val",


use rule measure as measure_relaxed with:
    input:
        crystals="results/{dataset}/{generator}/{task}/{relaxer}/relaxed.parquet",
    output:
        measures="results/{dataset}/{generator}/{task}/{relaxer}/measures.parquet",
        table="results/{dataset}/{generator}/{task}/{relaxer}/measures.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/measure_relaxed.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/measure_relaxed.benchmark.tsv"


rule train_property:
    input:
        crystals=expand("results/{{dataset}}/crystals/{split}.parquet", split=SPLITS),
        measures=expand("results/{{dataset}}/crystals/{split}_measures.parquet", split=SPLITS),
    output:
        weights="results/{dataset}/properties/{property}/weights.safetensors",
        description="results/{dataset}/properties/{property}/weights.json",
    log:
        "logs/{dataset}/properties/{property}/train_property.log",
    benchmark:
        "logs/{dataset}/properties/{property}/train_property.benchmark.tsv"
    wildcard_constraints:
        property="[^/]+",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="2h",
    params:
        settings=lambda wildcards: as_json({"property": wildcards.property, "seed": settings.seed}),
        code=code_of("train_property"),
        versions=pinned("torch", "numpy"),
    shell:
        "python -m sunflow.stages.train_property --settings {params.settings:q} --crystals {input.crystals}"
        " --measures {input.measures} --output {output.weights:q} --output-description {output.description:q}"
        " > {log:q} 2>&1"


rule estimate_property:
    input:
        measures="results/{dataset}/{generator}/{task}/{relaxer}/measures.parquet",
        weights="results/{dataset}/properties/{property}/weights.safetensors",
        description="results/{dataset}/properties/{property}/weights.json",
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/properties/{property}.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/estimate_{property}.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/estimate_{property}.benchmark.tsv"
    wildcard_constraints:
        property="[^/]+",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        code=code_of("estimate_property"),
        versions=pinned("torch", "numpy"),
    shell:
        "python -m sunflow.stages.estimate_property --measures {input.measures} --weights {input.weights:q}"
        " --description {input.description:q} --output {output:q} > {log:q} 2>&1"


use rule second_opinion as second_opinion_of_metastable with:
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/second_opinion_of_metastable.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/second_opinion_of_metastable.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/second_opinion_of_metastable.benchmark.tsv"
    params:
        settings=lambda wildcards: as_json({**second_relaxation_settings(wildcards), "asked_about": "metastable"}),
        code=code_of_potential("second_opinion", second),
        versions=pinned("chgnet", "ase", "pymatgen", "pymatgen-core", "scipy"),


rule conditional:
    input:
        verdicts=estimated_files("{generator}/{task}/{relaxer}/sun_crystals.csv"),
        estimates=estimated_files("{generator}/{task}/{relaxer}/{file}"),
        networks=property_networks,
        train="results/{dataset}/crystals/train.parquet",
        test="results/{dataset}/crystals/test.parquet",
    output:
        table=report(
            "results/{dataset}/conditional.csv",
            caption="../report/conditional.rst",
            category="Conditional generation",
            labels={"dataset": "{dataset}", "file": "asked for a property"},
        ),
        crystals=report(
            "results/{dataset}/conditional_crystals.csv",
            caption="../report/conditional.rst",
            category="Conditional generation",
            labels={"dataset": "{dataset}", "file": "every crystal"},
        ),
        plot=report(
            "results/{dataset}/conditional.svg",
            caption="../report/conditional.rst",
            category="Conditional generation",
            labels={"dataset": "{dataset}", "file": "distributions"},
        ),
    log:
        "logs/{dataset}/conditional.log",
    benchmark:
        "logs/{dataset}/conditional.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(
            {"rows": estimates(wildcards.dataset), "benchmark": settings.benchmark_of(wildcards.dataset)}
        ),
        code=code_of("conditional"),
        tables=content_of("src/sunflow/evaluation/published.csv"),
    shell:
        "python -m sunflow.stages.conditional --settings {params.settings:q} --verdicts {input.verdicts}"
        " --estimates {input.estimates:q} --networks {input.networks:q} --train {input.train} --test {input.test}"
        " --output {output.table} --output-crystals {output.crystals} --output-plot {output.plot} > {log} 2>&1"
