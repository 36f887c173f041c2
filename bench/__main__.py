"""`python -m bench <figure>`: measure one figure, on one thread."""

import argparse
import os
from pathlib import Path

import torch

from bench.flow import flow
from bench.hull import hull
from bench.network import network

FIGURES = {"network": network, "flow": flow, "hull": hull}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure one figure of bench/README.md.")
    parser.add_argument("figure", choices=FIGURES)
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the median is taken (default 5)")
    parser.add_argument("--table", type=Path, help="hull: CSV with pretty_formula and formation_energy_per_atom")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread of {os.cpu_count()}, CPU time of the process")
    table = [arguments.table] if arguments.table else []
    FIGURES[arguments.figure](arguments.repeats, *table)
