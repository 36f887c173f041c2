localrules:
    download_split,
    download_hull,


rule download_split:
    output:
        "resources/{dataset}/{split}.csv",
    log:
        "logs/{dataset}/download_{split}.log",
    benchmark:
        "logs/{dataset}/download_{split}.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="30m",
    shell:
        "python -m sunflow.stages.download --file {wildcards.dataset}/{wildcards.split}"
        ' --mirror "$SUNFLOW_MIRROR" --cache "$SUNFLOW_CACHE" --output {output} > {log} 2>&1'


rule download_hull:
    output:
        "resources/hull/{file}.gz",
    log:
        "logs/hull/download_{file}.log",
    benchmark:
        "logs/hull/download_{file}.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="30m",
    shell:
        "python -m sunflow.stages.download --file hull/{wildcards.file}"
        ' --mirror "$SUNFLOW_MIRROR" --cache "$SUNFLOW_CACHE" --output {output} > {log} 2>&1'


rule niggli:
    input:
        files=raw_files,
    output:
        train="results/{dataset}/crystals/train.parquet",
        val="results/{dataset}/crystals/val.parquet",
        test="results/{dataset}/crystals/test.parquet",
        summary=report(
            "results/{dataset}/crystals/summary.csv",
            caption="../report/summary.rst",
            category="Data",
            labels={"dataset": "{dataset}", "file": "kept and dropped crystals"},
        ),
    log:
        "logs/{dataset}/niggli.log",
    benchmark:
        "logs/{dataset}/niggli.benchmark.tsv"
    conda:
        "../../envs/crystals.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime="2h",
    params:
        dataset=lambda wildcards: as_json(settings.dataset(wildcards.dataset)),
        code=code_of("niggli"),
        versions=pinned("pymatgen", "pymatgen-core", "spglib"),
    shell:
        "python -m sunflow.stages.niggli --dataset {params.dataset:q} --files {input.files:q} --threads {threads}"
        " --output-train {output.train} --output-val {output.val} --output-test {output.test}"
        " --output-summary {output.summary} > {log} 2>&1"
