"""Every place that names a version names the same one."""

import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]
CONSTRAINTS = dict(
    line.split("==") for line in (PROJECT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)


@pytest.mark.parametrize("stack", ["torch", "crystals", "chgnet", "tensornet", "controls"])
def test_conda_environments_are_pinned_like_the_constraints(stack):
    environment = yaml.safe_load((PROJECT / f"envs/{stack}.yaml").read_text())
    packages = environment["dependencies"][-1]["pip"]
    assert packages
    for package in packages:
        name, version = package.split("==")
        assert CONSTRAINTS[name] == version


def test_every_requirement_is_pinned_without_a_build_suffix():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    required = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    pinned = {name.lower().replace("_", "-") for name in CONSTRAINTS}
    for requirement in required:
        name = requirement.split(">")[0].split("=")[0].split("[")[0].strip().lower().replace("_", "-")
        assert name in pinned
        if "==" in requirement:
            assert requirement in {f"{name}=={version}" for name, version in CONSTRAINTS.items()}
    assert CONSTRAINTS["torch"] == "2.13.0"
    assert "+" not in "".join(CONSTRAINTS.values())


def test_every_environment_is_checked():
    stacks = {"torch", "crystals", "chgnet", "tensornet", "controls"}
    assert {path.stem for path in (PROJECT / "envs").glob("*.yaml")} == stacks


def test_matgl_is_optional_and_brings_the_versions_of_its_environment():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["matgl"]
    environment = yaml.safe_load((PROJECT / "envs/tensornet.yaml").read_text())
    assert "matgl==4.1.2" in extra
    assert set(extra) <= set(environment["dependencies"][-1]["pip"])
    assert not {"matgl", "torch-geometric", "lightning"} & {name.split("==")[0] for name in project["dependencies"]}
