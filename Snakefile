"""Crystal discovery, end to end: download, reduce, train, sample, relax, judge, report."""

from snakemake.utils import min_version

min_version("9.20")


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/symmetry.smk"
include: "workflow/rules/generators.smk"
include: "workflow/rules/predictions.smk"
include: "workflow/rules/trajectory.smk"
include: "workflow/rules/stability.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/conditional.smk"
include: "workflow/rules/steps.smk"


rule all:
    default_target: True
    input:
        "results/demo/sun.csv",
        "results/demo/report.html",
