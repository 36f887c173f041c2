rule trajectory:
    input:
        weights=weights_of,
        description=description_of,
        accuracy_schedule=sampling_schedule,
        targets=targets_of,
        samples="results/{dataset}/{generator}/{task}/samples.parquet",
        crystals=judged_first,
    output:
        xyz="results/{dataset}/{generator}/{task}/trajectory.extxyz",
        frames="results/{dataset}/{generator}/{task}/trajectory.parquet",
    log:
        "logs/{dataset}/{generator}/{task}/trajectory.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/trajectory.benchmark.tsv"
    wildcard_constraints:
        generator="|".join(settings.generators),
    conda:
        "../../envs/chgnet.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime="2h",
    params:
        settings=lambda wildcards: as_json(sampling_settings(wildcards)),
        code=code_of_generator("trajectory"),
        versions=pinned("torch", "ase"),
    shell:
        "python -m sunflow.stages.trajectory --settings {params.settings:q} --task {wildcards.task}"
        " --weights {input.weights:q} --accuracy-schedule {input.accuracy_schedule} --targets {input.targets}"
        " --samples {input.samples} --crystals {input.crystals}"
        " --output {output.xyz} --output-frames {output.frames} > {log} 2>&1"
