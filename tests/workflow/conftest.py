"""Copies of the project, in which the workflow can be run, killed and edited."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "constraints.txt", "workflow", "profiles", "envs", "src")
JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$", re.MULTILINE)


def pytest_collection_modifyitems(items):
    """Put the longest tests first, so that no process begins them when the others are done."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name != "SUNFLOW_MIRROR"}
        self.command = [sys.executable, "-m", "snakemake"]

    @classmethod
    def create(cls, folder):
        for name in PARTS:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
        return cls(folder)

    def copy(self, folder):
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def snakemake(self, *arguments, check=True, **environment):
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *arguments):
        """Snakemake in the background, in a process group of its own."""
        log = (self.folder / "snakemake.log").open("w")
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def jobs(self, *arguments):
        """The rules that a dry run would execute, with their wildcards' paths as printed."""
        return jobs_of(self.snakemake("--dry-run", *arguments).stdout)

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def configure(self, change):
        """Apply `change` to the parsed configuration and write it back."""
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text())
        change(config)
        path.write_text(yaml.safe_dump(config, sort_keys=False))


def jobs_of(output):
    """(rule, outputs) of every job that Snakemake printed."""
    blocks = re.split(r"(?m)^(?=(?:local)?rule \w+:$)", output)
    found = []
    for block in blocks:
        if rule := JOB.match(block):
            outputs = re.search(r"(?m)^    output: (.*)$", block)
            found.append((rule[1], outputs[1].split(", ") if outputs else []))
    return found


@pytest.fixture
def project(tmp_path):
    """A fresh copy without results."""
    return Project.create(tmp_path / "project")
