"""`python -m bench <figure>`: measure one figure, on one thread."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import torch

from bench.asymmetric import asymmetric
from bench.asymmetric_units import asymmetric_units
from bench.epoch import epoch
from bench.fingerprints import fingerprints
from bench.flow import flow
from bench.generation import generation
from bench.hull import hull
from bench.matching import matching
from bench.memory import memory
from bench.network import network
from bench.potential import potential
from bench.relaxation import relaxation
from bench.sampling import sampling
from bench.scaling import scaling
from bench.training import training

FIGURES: dict[str, tuple[Callable[..., None], list[str]]] = {
    "network": (network, ["repeats"]),
    "training": (training, ["repeats"]),
    "flow": (flow, ["repeats"]),
    "sampling": (sampling, []),
    "memory": (memory, []),
    "epoch": (epoch, ["crystals", "device"]),
    "generation": (generation, ["crystals", "device"]),
    "fingerprints": (fingerprints, ["mirror", "crystals"]),
    "hull": (hull, ["repeats", "table"]),
    "matching": (matching, ["mirror", "crystals"]),
    "potential": (potential, ["repeats", "mirror", "crystals"]),
    "relaxation": (relaxation, ["mirror", "crystals", "device"]),
    "scaling": (scaling, ["repeats", "mirror", "crystals"]),
    "asymmetric": (asymmetric, ["repeats"]),
    "asymmetric_units": (asymmetric_units, ["mirror", "crystals"]),
}
"""Each figure and its options."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure one figure of bench/README.md.")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the median is taken (default 5)")
    parser.add_argument("--table", type=Path, help="hull: CSV with pretty_formula and formation_energy_per_atom")
    parser.add_argument(
        "--mirror",
        type=Path,
        default=os.environ.get("SUNFLOW_MIRROR") or None,
        help="potential, relaxation, scaling: folder with mp_20/test.csv and generated/*.npz (default SUNFLOW_MIRROR)",
    )
    parser.add_argument("--crystals", type=int, help="potential, relaxation, scaling, epoch, generation: how many")
    parser.add_argument(
        "--device", help="relaxation, epoch, generation: cpu (default), or cuda, where wall time is measured"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread of {os.cpu_count()}, CPU time of the process")
    function, names = FIGURES[arguments.figure]
    function(**{name: value for name in names if (value := getattr(arguments, name)) is not None})
