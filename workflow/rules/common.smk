"""The configuration, checked; how jobs find the package; what a result depends on besides its inputs."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(workflow.basedir, "src"))

from snakemake.settings.types import DeploymentMethod
from snakemake.exceptions import WorkflowError
from sunflow.config import MODELS, ConfigError, check_target, load
from sunflow.provenance import code_fingerprint, file_hash
from sunflow.recover import RECORD_JOB, forget_workflow, record_workflow
from sunflow.registry import is_import_path, module_of

try:
    settings = load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

for target in sys.argv[1:]:
    if problem := check_target(target, settings):
        raise WorkflowError(problem)


wildcard_constraints:
    dataset="|".join(settings.datasets),
    generator="|".join([*settings.generators, "reference"]),
    relaxer="|".join(settings.relaxers),
    task="generation|structure_prediction|test",
    num_steps=r"\d+",
    split="train|val|test",
    part=r"\d+",
    parts=r"\d+",


onstart:
    record_workflow()


onsuccess:
    forget_workflow()


onerror:
    forget_workflow()


# Jobs find Python and the package, know where to look for downloads, and are recorded while they run.
exports = {
    "PYTHONPATH": os.path.join(workflow.basedir, "src"),
    "SUNFLOW_MIRROR": settings.mirror or "",
    "SUNFLOW_CACHE": settings.cache or "",
}
prefix = "".join(f"export {name}={shlex.quote(value)}; " for name, value in exports.items()) + RECORD_JOB
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    prefix += f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
shell.prefix(prefix.replace("{", "{{").replace("}", "}}"))


def as_json(section):
    """One parameter that holds a whole section: Snakemake misses two parameters that swap their values."""
    return json.dumps(section, sort_keys=True)


def code_of(stage):
    """Reruns a rule when code that its stage imports changes in meaning."""
    return code_fingerprint(f"sunflow.stages.{stage}")


def content_of(pattern):
    """Reruns a rule when files that its code reads, such as templates, change."""
    return as_json([file_hash(path) for path in sorted(Path(workflow.basedir).glob(pattern))])


def code_of_generator(stage):
    """As `code_of`, with the code of the generator that the wildcards name."""

    def fingerprint(wildcards):
        kind = settings.generators[wildcards.generator].kind
        return code_fingerprint(f"sunflow.stages.{stage}", f"sunflow.generators.{kind}")

    return fingerprint


def code_of_potential(stage, of=lambda wildcards: wildcards):
    """As `code_of`, with the code of the potential that a relaxer uses."""

    def fingerprint(wildcards):
        potential = settings.relaxer(wildcards.dataset, of(wildcards).relaxer)["potential"]
        return code_fingerprint(f"sunflow.stages.{stage}", module_of(potential))

    return fingerprint


def pinned(*packages):
    """The pinned versions of the packages that a stage's result depends on."""
    text = Path(workflow.basedir, "constraints.txt").read_text()
    return " ".join(re.findall(rf"(?m)^(?:{'|'.join(packages)})==\S+", text))
