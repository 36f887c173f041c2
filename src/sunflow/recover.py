"""Clear what a killed run left behind: `python -m sunflow.recover`, which `make demo` calls first.

After `kill -9` of Snakemake its jobs live on and its lock stays. Here leftover jobs are ended, and the folder is
unlocked, but only if no live Snakemake holds it. Results are left as they are: Snakemake redoes the incomplete ones.
"""

import json
import logging
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import psutil

from sunflow.atomic import write_json

logger = logging.getLogger(__name__)
LOCKS = Path(".snakemake/locks")
WORKFLOW = Path(".snakemake/sunflow/workflow.json")
JOBS = Path(".snakemake/sunflow/jobs")
RECORD_JOB = (
    f'mkdir -p {JOBS}; sunflow_job="{JOBS}/$HOSTNAME-$$"; : > "$sunflow_job"; trap \'rm -f "$sunflow_job"\' EXIT; '
)
"""Shell commands that record a job by its computer and process id for as long as it runs."""

SECONDS_OF_GRACE = 10


def record_workflow() -> None:
    """Write down which process on which computer runs the workflow; called when it starts."""
    write_json(WORKFLOW, {"host": socket.gethostname(), "pid": os.getpid(), "time": time.time()})


def forget_workflow() -> None:
    """The workflow ended by itself."""
    WORKFLOW.unlink(missing_ok=True)


def recover() -> None:
    """End leftover jobs and unlock the folder.

    Raises:
        RuntimeError: A live Snakemake holds the folder, or one on another computer may.
    """
    if WORKFLOW.exists():
        _refuse_if_held(json.loads(WORKFLOW.read_text()))
    for record in sorted(JOBS.glob(f"{socket.gethostname()}-*")):
        _end_job(record)
    if LOCKS.exists() and any(LOCKS.iterdir()):
        shutil.rmtree(LOCKS)
        logger.info("unlocked the folder after a run that was killed")
    forget_workflow()


def _refuse_if_held(holder: dict) -> None:
    if holder["host"] != socket.gethostname():
        raise RuntimeError(
            f"Snakemake on {holder['host']} (process {holder['pid']}) holds this folder;"
            f" if that one is dead, delete {WORKFLOW}"
        )
    if _alive(holder["pid"], holder["time"]):
        raise RuntimeError(f"Snakemake (process {holder['pid']}) is running in this folder: wait for it, or end it")


def _alive(pid: int, recorded: float) -> bool:
    """Whether the process that was recorded then still lives, and not a later one that got its number."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= recorded + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end_job(record: Path) -> None:
    pid = int(record.name.rpartition("-")[2])
    if _alive(pid, record.stat().st_mtime):
        job = psutil.Process(pid)
        family = [job, *job.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=SECONDS_OF_GRACE)
        logger.info("ended a leftover job (process %s)", pid)
    record.unlink(missing_ok=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        recover()
    except RuntimeError as error:
        sys.exit(str(error))
