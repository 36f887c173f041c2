rule relax:
    input:
        crystals="results/{dataset}/{generator}/{task}/samples.parquet",
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/parts/{part}_of_{parts}.parquet",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/relax_{part}_of_{parts}.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/relax_{part}_of_{parts}.benchmark.tsv"
    retries: 1
    conda:
        environment_of_relaxer
    threads: 8
    resources:
        mem_mb=16000,
        runtime="12h",
    params:
        settings=lambda wildcards: as_json(relaxation_settings(wildcards)),
        code=code_of_potential("relax"),
        versions=pinned("chgnet", "ase", "pymatgen", "pymatgen-core"),
    shell:
        "python -m sunflow.stages.relax --settings {params.settings:q} --crystals {input.crystals}"
        " --part {wildcards.part} --num-parts {wildcards.parts} --threads {threads} --output {output} > {log} 2>&1"


rule gather_relaxed:
    input:
        crystals="results/{dataset}/{generator}/{task}/samples.parquet",
        parts=relaxed_parts,
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/relaxed.parquet",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/gather_relaxed.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/gather_relaxed.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        code=code_of("gather_relaxed"),
    shell:
        "python -m sunflow.stages.gather_relaxed --crystals {input.crystals} --parts {input.parts}"
        " --output {output} > {log} 2>&1"


rule reference_energies:
    input:
        crystals=expand("results/{{dataset}}/crystals/{split}.parquet", split=SPLITS),
    output:
        "results/{dataset}/hull/{relaxer}_energies.parquet",
    log:
        "logs/{dataset}/hull/{relaxer}_energies.log",
    benchmark:
        "logs/{dataset}/hull/{relaxer}_energies.benchmark.tsv"
    conda:
        environment_of_relaxer
    threads: 8
    resources:
        mem_mb=16000,
        runtime="12h",
    params:
        settings=lambda wildcards: as_json(relaxation_settings(wildcards)),
        code=code_of_potential("reference_energies"),
        versions=pinned("chgnet", "ase", "pymatgen", "pymatgen-core"),
    shell:
        "python -m sunflow.stages.reference_energies --settings {params.settings:q}"
        " --crystals {input.crystals} --threads {threads} --output {output} > {log} 2>&1"


rule hull:
    input:
        crystals=expand("results/{{dataset}}/crystals/{split}.parquet", split=SPLITS),
        files=hull_files,
    output:
        "results/{dataset}/hull/{relaxer}.parquet",
    log:
        "logs/{dataset}/hull/{relaxer}.log",
    benchmark:
        "logs/{dataset}/hull/{relaxer}.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime="1h",
    params:
        settings=lambda wildcards: as_json(hull_settings(wildcards)),
        code=code_of("hull"),
        versions=pinned("pymatgen", "pymatgen-core", "scipy"),
    shell:
        "python -m sunflow.stages.hull --settings {params.settings:q} --crystals {input.crystals}"
        " --files {input.files} --output {output} > {log} 2>&1"


rule energy_above_hull:
    input:
        relaxed="results/{dataset}/{generator}/{task}/{relaxer}/relaxed.parquet",
        hull="results/{dataset}/hull/{relaxer}.parquet",
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/energy_above_hull.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/energy_above_hull.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/energy_above_hull.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime="2h",
    params:
        code=code_of("energy_above_hull"),
        versions=pinned("pymatgen", "pymatgen-core", "scipy"),
    shell:
        "python -m sunflow.stages.energy_above_hull --relaxed {input.relaxed} --hull {input.hull}"
        " --output {output} > {log} 2>&1"


rule sun:
    input:
        samples="results/{dataset}/{generator}/{task}/samples.parquet",
        relaxed="results/{dataset}/{generator}/{task}/{relaxer}/relaxed.parquet",
        energies="results/{dataset}/{generator}/{task}/{relaxer}/energy_above_hull.csv",
        train="results/{dataset}/crystals/train.parquet",
        val="results/{dataset}/crystals/val.parquet",
        test="results/{dataset}/crystals/test.parquet",
    output:
        crystals=report(
            "results/{dataset}/{generator}/{task}/{relaxer}/sun_crystals.csv",
            caption="../report/sun_crystals.rst",
            category="Crystals",
            labels={"dataset": "{dataset}", "generator": "{generator}", "relaxer": "{relaxer}"},
        ),
        xyz="results/{dataset}/{generator}/{task}/{relaxer}/sun_crystals.extxyz",
        cif="results/{dataset}/{generator}/{task}/{relaxer}/sun_crystals.zip",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/sun.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/sun.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime="4h",
    params:
        settings=lambda wildcards: as_json(sun_settings(wildcards)),
        code=code_of("sun"),
        versions=pinned("pymatgen", "pymatgen-core", "spglib", "scipy"),
    shell:
        "python -m sunflow.stages.sun --settings {params.settings:q} --samples {input.samples}"
        " --relaxed {input.relaxed} --energies {input.energies} --train {input.train} --val {input.val}"
        " --test {input.test} --threads {threads}"
        " --output {output.crystals} --output-xyz {output.xyz} --output-cif {output.cif} > {log} 2>&1"


rule second_opinion:
    input:
        relaxed="results/{dataset}/{generator}/{task}/{relaxer}/relaxed.parquet",
        verdicts="results/{dataset}/{generator}/{task}/{relaxer}/sun_crystals.csv",
        hull=second_hull,
    output:
        "results/{dataset}/{generator}/{task}/{relaxer}/second_opinion.csv",
    log:
        "logs/{dataset}/{generator}/{task}/{relaxer}/second_opinion.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{relaxer}/second_opinion.benchmark.tsv"
    conda:
        environment_of_second_relaxer
    threads: 8
    resources:
        mem_mb=16000,
        runtime="12h",
    params:
        settings=lambda wildcards: as_json(second_relaxation_settings(wildcards)),
        code=code_of_potential("second_opinion", second),
        versions=pinned("chgnet", "ase", "pymatgen", "pymatgen-core", "scipy"),
    shell:
        "python -m sunflow.stages.second_opinion --settings {params.settings:q} --relaxed {input.relaxed}"
        " --verdicts {input.verdicts} --hull {input.hull} --threads {threads} --output {output} > {log} 2>&1"


rule hull_quality:
    input:
        hull="results/{dataset}/hull/{relaxer}.parquet",
        samples="results/{dataset}/reference/test/samples.parquet",
        energies="results/{dataset}/reference/test/{relaxer}/energy_above_hull.csv",
    output:
        report(
            "results/{dataset}/hull/{relaxer}_quality.csv",
            caption="../report/hull_quality.rst",
            category="Stable, unique, novel",
            labels={"dataset": "{dataset}", "file": "how far the hull of {relaxer} can be trusted"},
        ),
    log:
        "logs/{dataset}/hull/{relaxer}_quality.log",
    benchmark:
        "logs/{dataset}/hull/{relaxer}_quality.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime="1h",
    params:
        settings=lambda wildcards: as_json(hull_quality_settings(wildcards)),
        code=code_of("hull_quality"),
        versions=pinned("pymatgen", "pymatgen-core", "scipy"),
    shell:
        "python -m sunflow.stages.hull_quality --settings {params.settings:q} --hull {input.hull}"
        " --samples {input.samples} --energies {input.energies} --output {output} > {log} 2>&1"
