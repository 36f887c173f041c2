"""New crystals by asymmetric units against whole cells."""

import time
from dataclasses import dataclass

import torch

from bench.paper import NUM_CRYSTALS, STATISTICS, paper_generator
from bench.sizes import MP20_ASYMMETRIC_UNITS, mp20_sizes
from bench.timing import cpu_seconds, print_against
from sunflow.crystals.batch import CrystalBatch
from sunflow.crystals.international_tables import international_tables
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.generators.generator import Condition
from sunflow.generators.symmbfn import SymmBFN

NUM_STEPS = 100
CRYSBFN = "CrysBFN"
COEFFICIENTS = {"mean": [0.0, -0.14, 0.0, 0.0, -0.13, 1.88], "std": [0.12, 0.13, 0.13, 0.34, 0.25, 0.23]}


def asymmetric(repeats: int) -> None:
    """64 crystals of MP-20's sizes in 100 steps, by networks of the paper's size, prepared for sampling."""
    whole, symmetric = paper_generator(NUM_STEPS), _symmbfn()
    groups, orbits = map(torch.tensor, zip(*MP20_ASYMMETRIC_UNITS, strict=True))
    cells, units = Condition(mp20_sizes(NUM_CRYSTALS)), Condition(orbits, space_group=groups)
    print(f"{NUM_CRYSTALS} crystals: {int(cells.num_atoms.sum())} atoms, {int(orbits.sum())} orbits")
    decoding = _Decoding(symmetric)
    for generator in (whole, symmetric):
        generator.prepare_sampling()
    variants = {
        CRYSBFN: lambda: whole.sample(cells, range(NUM_CRYSTALS), "bayes"),
        "SymmBFN": lambda: symmetric.sample(units, range(NUM_CRYSTALS), "bayes"),
    }
    seconds = cpu_seconds(variants, repeats)
    print_against(CRYSBFN, seconds)
    for name, value in seconds.items():
        print(f"{name}: {NUM_CRYSTALS / value:.2f} crystals a second")
    share = decoding.seconds / decoding.calls / seconds["SymmBFN"]
    print(
        f"decoding: {1e3 * decoding.seconds / decoding.calls / NUM_CRYSTALS:.2f} ms a crystal, {share:.1%} of SymmBFN"
    )


def _symmbfn() -> SymmBFN:
    """Random weights."""
    torch.manual_seed(0)
    statistics = {**STATISTICS, "max_atoms": 500, "lattice_coefficients": COEFFICIENTS}
    generator = SymmBFN("generation", statistics, accuracy_schedule("universal", NUM_STEPS, 1000.0))
    generator.space_groups.load_state_dict(international_tables().state_dict())
    return generator


@dataclass
class _Decoding:
    """A watch on what a generator spends on decoding."""

    generator: SymmBFN
    seconds: float = 0.0
    calls: int = 0

    def __post_init__(self) -> None:
        decode = self.generator.decode

        def watched(*arguments: object) -> CrystalBatch:
            start = time.process_time()
            crystals = decode(*arguments)  # type: ignore[arg-type]
            self.seconds += time.process_time() - start
            self.calls += 1
            return crystals

        self.generator.decode = watched  # type: ignore[method-assign]
