"""Every place that names a version names the same one."""

import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
CONSTRAINTS = dict(
    line.split("==") for line in (PROJECT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)


@pytest.mark.parametrize("stack", ["torch", "crystals", "chgnet"])
def test_conda_environments_are_pinned_like_the_constraints(stack):
    environment = yaml.safe_load((PROJECT / f"envs/{stack}.yaml").read_text())
    packages = environment["dependencies"][-1]["pip"]
    assert packages
    for package in packages:
        name, version = package.split("==")
        assert CONSTRAINTS[name] == version


def test_every_requirement_is_pinned_without_a_build_suffix():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {name.lower().replace("_", "-") for name in CONSTRAINTS}
    for requirement in required:
        name = requirement.split(">")[0].split("=")[0].split("[")[0].strip().lower().replace("_", "-")
        assert name in pinned
    assert CONSTRAINTS["torch"] == "2.13.0"
    assert "+" not in "".join(CONSTRAINTS.values())
