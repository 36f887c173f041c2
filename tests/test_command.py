"""A stage's command line follows its signature, and holds its outputs."""

import subprocess
import sys
import textwrap

import pytest

STAGE = """
from pathlib import Path
from sunflow.stages.command import StageError, run

def stage(settings: dict, files: list[Path], output: Path, scale: float, name: str = "nobody",
          plot: Path | None = None) -> None:
    '''Do it.'''
    if settings.get("fail"):
        raise StageError("config.yaml: a: must be positive")
    output.write_text(repr((settings, files, scale, name, plot)))

if __name__ == "__main__":
    run(stage)
"""


@pytest.fixture
def call(tmp_path):
    script = tmp_path / "stage.py"
    script.write_text(textwrap.dedent(STAGE))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(script), *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    return run


COMPLETE = ("--settings", '{"x": 1}', "--files", "a", "b", "--output", "out", "--scale", "2")


def test_arguments_have_their_types(call, tmp_path):
    assert call(*COMPLETE).returncode == 0
    assert (tmp_path / "out").read_text() == "({'x': 1}, [PosixPath('a'), PosixPath('b')], 2.0, 'nobody', None)"
    assert call(*COMPLETE, "--plot", "c").returncode == 0
    assert (tmp_path / "out").read_text().endswith("'nobody', PosixPath('c'))")


def test_no_file_is_an_empty_list(call, tmp_path):
    call("--settings", "{}", "--files", "--output", "out", "--scale", "2")
    assert (tmp_path / "out").read_text().startswith("({}, [],")


def test_a_mistake_of_the_user_is_one_sentence(call):
    failed = call("--settings", '{"fail": true}', *COMPLETE[2:])
    assert failed.returncode == 1
    assert failed.stderr == "stage failed: config.yaml: a: must be positive\n"


def test_missing_argument(call):
    failed = call("--settings", "{}")
    assert failed.returncode == 2
    assert "--output" in failed.stderr


def test_two_processes_never_write_one_output(call, tmp_path):
    from sunflow.atomic import output_lock

    with output_lock(tmp_path / "out"):
        failed = call(*COMPLETE)
    assert failed.returncode == 1
    assert "being written by process" in failed.stderr
    assert not (tmp_path / "out").exists()
    assert call(*COMPLETE).returncode == 0
