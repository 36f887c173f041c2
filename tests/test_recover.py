"""What a killed run leaves behind is cleared, and a live run is left alone."""

import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from sunflow import recover
from sunflow.atomic import write_json


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recover.JOBS.mkdir(parents=True)
    recover.LOCKS.mkdir(parents=True)


@pytest.fixture
def job():
    """A job as the workflow starts it: a shell that records itself, with a child that does the work."""
    command = recover.RECORD_JOB + f"{sys.executable} -c 'import time; time.sleep(60)'"
    process = subprocess.Popen(["bash", "-c", command], start_new_session=True)
    wait_for(lambda: any(recover.JOBS.iterdir()) and psutil.Process(process.pid).children())
    yield process
    process.kill()
    process.wait()


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_leftover_jobs_are_ended_with_their_children(job):
    job_process = psutil.Process(job.pid)
    children = job_process.children(recursive=True)
    recover.recover()
    assert not any(process.is_running() for process in [*children, job_process])
    assert not any(recover.JOBS.iterdir())


def test_a_finished_job_leaves_no_record():
    subprocess.run(["bash", "-c", recover.RECORD_JOB + "true"], check=True)
    assert not any(recover.JOBS.iterdir())


def test_a_failed_job_keeps_its_exit_status():
    assert subprocess.run(["bash", "-c", recover.RECORD_JOB + "exit 3"], check=False).returncode == 3


def test_a_process_that_took_over_the_number_is_spared():
    record = recover.JOBS / f"{socket.gethostname()}-{os.getpid()}"
    record.touch()
    long_ago = psutil.Process().create_time() - 100
    os.utime(record, (long_ago, long_ago))
    recover.recover()
    assert not record.exists()


def test_jobs_of_other_computers_are_left_alone():
    record = recover.JOBS / f"another-computer-{os.getpid()}"
    record.touch()
    recover.recover()
    assert record.exists()


def test_the_lock_of_a_dead_workflow_is_removed():
    (recover.LOCKS / "0.input.lock").touch()
    dead = subprocess.Popen(["true"])
    dead.wait()
    write_json(recover.WORKFLOW, {"host": socket.gethostname(), "pid": dead.pid, "time": time.time()})
    recover.recover()
    assert not recover.LOCKS.exists()
    assert not recover.WORKFLOW.exists()


def test_a_live_workflow_is_refused(job):
    (recover.LOCKS / "0.input.lock").touch()
    recover.record_workflow()
    with pytest.raises(RuntimeError, match=f"process {os.getpid()}.*running"):
        recover.recover()
    assert job.poll() is None
    assert (recover.LOCKS / "0.input.lock").exists()


def test_a_workflow_on_another_computer_is_refused():
    write_json(recover.WORKFLOW, {"host": "another-computer", "pid": 1, "time": time.time()})
    with pytest.raises(RuntimeError, match="another-computer"):
        recover.recover()


def test_nothing_to_recover():
    recover.LOCKS.rmdir()
    recover.JOBS.rmdir()
    recover.recover()
