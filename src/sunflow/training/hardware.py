"""The device and the threads that training and sampling run on."""

import logging
import os

import torch

logger = logging.getLogger(__name__)


def choose_device(local_rank: int = 0) -> torch.device:
    """The GPU where there is one, else the CPU with deterministic operations and as many threads as were granted.

    Args:
        local_rank: Of several processes on this computer, which each take a GPU.

    Raises:
        ValueError: There are fewer GPUs than processes.
    """
    if torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            raise ValueError(
                f"process {local_rank + 1} of this computer finds {torch.cuda.device_count()} GPU(s), but every "
                "process needs its own: start fewer with --nproc-per-node, or grant more GPUs"
            )
        torch.cuda.set_device(local_rank)
        logger.info("running on %s", torch.cuda.get_device_name())
        return torch.device("cuda")
    torch.set_num_threads(granted_threads())
    torch.use_deterministic_algorithms(True)
    logger.info("running on the CPU, %d threads", torch.get_num_threads())
    return torch.device("cpu")


def granted_threads() -> int:
    """Threads that the workflow (OMP_NUM_THREADS) or the cluster (SLURM_CPUS_PER_TASK) grants, else all cores."""
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
