rule accuracy_schedule:
    output:
        "results/accuracy_schedules/{kind}_{num_steps}_steps_to_{final_accuracy}.csv",
    log:
        "logs/accuracy_schedules/{kind}_{num_steps}_steps_to_{final_accuracy}.log",
    benchmark:
        "logs/accuracy_schedules/{kind}_{num_steps}_steps_to_{final_accuracy}.benchmark.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="30m",
    params:
        code=code_of("accuracy_schedule"),
        versions=pinned("torch"),
    shell:
        "python -m sunflow.stages.accuracy_schedule --kind {wildcards.kind} --num-steps {wildcards.num_steps}"
        " --final-accuracy {wildcards.final_accuracy} --output {output} > {log} 2>&1"


rule train:
    input:
        train=split_of_generator("train"),
        val=split_of_generator("val"),
        accuracy_schedule=training_schedule,
        space_groups=space_groups_of_generator,
    output:
        weights="results/{dataset}/{generator}/{task}/weights.safetensors",
        description="results/{dataset}/{generator}/{task}/weights.json",
        curve=report(
            "results/{dataset}/{generator}/{task}/training_curve.csv",
            caption="../report/training_curve.rst",
            category="Training",
            labels={"dataset": "{dataset}", "generator": "{generator}", "task": "{task}"},
        ),
    log:
        "logs/{dataset}/{generator}/{task}/train.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/train.benchmark.tsv"
    conda:
        environment_of_generator
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime="24h",
    params:
        settings=lambda wildcards: as_json(training_settings(wildcards)),
        python=lambda wildcards, resources: launcher(resources.gpu),
        code=code_of_generator("train"),
        versions=packages_of_generator,
    shell:
        "{params.python} -m sunflow.stages.train --settings {params.settings:q} --train {input.train} --val {input.val}"
        " --accuracy-schedule {input.accuracy_schedule} --space-groups {input.space_groups} --output {output.weights}"
        " --output-description {output.description} --output-curve {output.curve} > {log} 2>&1"


rule sample:
    input:
        weights=weights_of,
        description=description_of,
        accuracy_schedule=sampling_schedule,
        targets=targets_of,
    output:
        crystals="results/{dataset}/{generator}/{task}/samples.parquet",
        time="results/{dataset}/{generator}/{task}/sampling_time.json",
    log:
        "logs/{dataset}/{generator}/{task}/sample.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/sample.benchmark.tsv"
    wildcard_constraints:
        generator="|".join(settings.generators),
    conda:
        environment_of_generator
    threads: 8
    resources:
        gpu=1,
        mem_mb=16000,
        runtime="12h",
    params:
        settings=lambda wildcards: as_json(sampling_settings(wildcards)),
        code=code_of_generator("sample"),
        versions=packages_of_generator,
    shell:
        "python -m sunflow.stages.sample --settings {params.settings:q} --task {wildcards.task}"
        " --weights {input.weights:q} --accuracy-schedule {input.accuracy_schedule} --targets {input.targets}"
        " --output {output.crystals} --output-time {output.time} > {log} 2>&1"


use rule sample as sample_in_steps with:
    output:
        crystals="results/{dataset}/{generator}/{task}/{num_steps}_steps/samples.parquet",
        time="results/{dataset}/{generator}/{task}/{num_steps}_steps/sampling_time.json",
    log:
        "logs/{dataset}/{generator}/{task}/{num_steps}_steps/sample.log",
    benchmark:
        "logs/{dataset}/{generator}/{task}/{num_steps}_steps/sample.benchmark.tsv"


rule reference:
    input:
        test="results/{dataset}/crystals/test.parquet",
    output:
        crystals="results/{dataset}/reference/test/samples.parquet",
        time="results/{dataset}/reference/test/sampling_time.json",
    log:
        "logs/{dataset}/reference/test/reference.log",
    benchmark:
        "logs/{dataset}/reference/test/reference.benchmark.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="30m",
    params:
        settings=lambda wildcards: as_json(reference_settings(wildcards)),
        code=code_of("reference"),
    shell:
        "python -m sunflow.stages.reference --settings {params.settings:q} --test {input.test}"
        " --output {output.crystals} --output-time {output.time} > {log} 2>&1"
