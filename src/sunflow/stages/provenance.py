"""What the results of a dataset were made from, with, on, and in what time."""

import datetime
import json
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow.parquet as pq

from sunflow.atomic import write_json
from sunflow.provenance import SOURCE, file_hash
from sunflow.stages.command import StageError, run

PACKAGES = ("sunflow", "torch", "numpy", "pymatgen", "chgnet", "ase", "spglib", "snakemake")


def provenance(settings: dict, files: dict, logs: Path, output: Path) -> None:
    """Write commit, configuration, seeds, versions, hashes, hardware and seconds per stage as JSON.

    `settings` is the resolved configuration; `files` names every file whose hash is recorded; `logs` is
    the folder that holds Snakemake's benchmark files, named in the output by their path.
    """
    described = {name: describe_file(Path(path)) for name, path in files.items()}
    metadata = [file["metadata"] for file in described.values() if "metadata" in file]
    content = {
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(SOURCE),
        "configuration": settings,
        "seeds": seeds(settings),
        "versions": versions(),
        "files": described,
        "potentials": _distinct([m for m in metadata if "potential" in m and "hull" not in m]),
        "hulls": _distinct([m for m in metadata if "hull" in m]),
        "hardware": hardware(),
        "seconds": stage_seconds(sorted(logs.rglob("*.benchmark.tsv"))),
    }
    write_json(output, content)


def commit(folder: Path) -> dict[str, Any] | None:
    """The git commit of a folder and whether it has uncommitted changes; None outside a repository or without git."""
    if shutil.which("git") is None:
        return None
    head = _git(folder, "rev-parse", "HEAD")
    return {"hash": head, "dirty": bool(_git(folder, "status", "--porcelain", "--", ":/"))} if head else None


def seeds(settings: dict[str, Any], prefix: str = "") -> dict[str, int]:
    """Every `seed` anywhere in the settings, by its key's path."""
    found: dict[str, int] = {}
    for name, value in settings.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            found |= seeds(value, f"{path}.")
        elif name == "seed":
            found[path] = value
    return found


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that the results depend on; None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def describe_file(path: Path) -> dict[str, Any]:
    """Path, SHA-256 and, for Parquet, what its header tells of potential and hull (without per-element energies).

    Raises:
        StageError: The file is missing.
    """
    if not path.is_file():
        raise StageError(f"{path} is missing, so its hash cannot be recorded: let the workflow make it first")
    described: dict[str, Any] = {"path": str(path), "sha256": file_hash(path)}
    if path.suffix == ".parquet":
        header = json.loads((pq.read_schema(path).metadata or {}).get(b"sunflow", b"{}"))
        metadata = {name: value for name, value in header.items() if name != "element_energies"}
        described |= {"metadata": metadata} if metadata else {}
    return described


def hardware() -> dict[str, Any]:
    """The machine that runs this stage: processor, cores, memory and graphics processors."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": _gpus(),
    }


def stage_seconds(benchmarks: list[Path]) -> dict[str, float | None]:
    """Seconds of each job's last run by the path of its benchmark file below the folder they share; None if unread."""
    if not benchmarks:
        return {}
    shared = Path(os.path.commonpath([path.parent for path in benchmarks]))
    return {
        str(path.relative_to(shared)).removesuffix(".tsv").removesuffix(".benchmark"): job_seconds(path)
        for path in benchmarks
    }


def job_seconds(path: Path) -> float | None:
    """Seconds of a job's last run by its benchmark file; None if unread."""
    if not path.is_file():
        return None
    seconds = pd.to_numeric(pd.read_csv(path, sep="\t")["s"], errors="coerce").dropna()
    return float(seconds.iloc[-1]) if len(seconds) else None


def _git(folder: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or None


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    return [name for name in done.stdout.splitlines() if name] if done.returncode == 0 else []


def _distinct(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [value for i, value in enumerate(values) if value not in values[:i]]


if __name__ == "__main__":
    run(provenance)
