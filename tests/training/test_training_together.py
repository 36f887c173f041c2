"""Two real processes against one with the doubled batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import together
import torch

from sunflow.training.parallel import ALONE

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
CASES = [*together.CASES, "poisoned", "killed", "stopped"]
PRECISION = 1e-6
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Of one process, and of each of two."""
    folder = tmp_path_factory.mktemp("two")
    finished = subprocess.run([*TORCHRUN, together.__file__, str(folder)], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    alone = together.all_cases(ALONE, tmp_path_factory.mktemp("one"))
    return alone, *(torch.load(Path(folder) / f"rank_{rank}.pt") for rank in range(2))


@pytest.mark.parametrize("case", CASES)
def test_two_processes_find_the_weights_of_one_with_the_doubled_batch(outcomes, case):
    alone, first, _ = outcomes
    for kind in ("best", "last"):
        for name, tensor in alone[case][kind].items():
            difference = (first[case][kind][name] - tensor).double().norm()
            assert difference <= PRECISION * tensor.double().norm(), (kind, name)
    for name, values in alone[case]["curve"].items():
        assert first[case]["curve"][name] == pytest.approx(values, rel=PRECISION, nan_ok=True), name


@pytest.mark.parametrize("case", CASES)
def test_all_processes_have_the_same_bits(outcomes, case):
    _, first, second = outcomes
    for kind in ("best", "last"):
        for name, tensor in first[case][kind].items():
            assert torch.equal(tensor, second[case][kind][name]), (kind, name)


def test_a_continued_training_ends_with_the_same_bits(outcomes):
    for outcome in outcomes:
        for case in ("killed", "stopped"):
            for name, tensor in outcome["default"]["last"].items():
                assert torch.equal(outcome[case]["last"][name], tensor), name


def test_the_cases_are_what_they_say(outcomes):
    for outcome in outcomes:
        assert sum(outcome["poisoned"]["curve"]["skipped"]) == 1
        assert sum(outcome["default"]["curve"]["skipped"]) == 0
        assert "stopped by SIGTERM after step 6" in outcome["stopped"]["error"]
        plain, clipped = (outcome[case]["last"]["network.0.weight"] for case in ("plain", "clipped"))
        assert not torch.equal(plain, clipped)
