"""New crystals of MP-20's sizes."""

import time

import torch

from bench.floors import Floor
from bench.paper import paper_generator
from bench.sizes import mp20_sizes
from sunflow.crystals.batch import CrystalBatch
from sunflow.generators.crysbfn import CrysBFN
from sunflow.generators.generator import Condition
from sunflow.training.precision import Precision

FLOOR = Floor(crystals=10_000, target=10.0, straightforward=5.1, best=2.3)
NUM_STEPS, BATCH_SIZE = 100, 2500


def generation(crystals: int = FLOOR.crystals, device: str = "cpu") -> None:
    """Wall time of 100 steps, in batches of up to 2500; bfloat16 on a GPU, where a batch before does not count."""
    generator = paper_generator(NUM_STEPS).to(device)
    generator.prepare_sampling()
    num_atoms = mp20_sizes(crystals)[torch.randperm(crystals, generator=torch.Generator().manual_seed(0))]
    precision = Precision("auto", torch.device(device))
    print(f"{NUM_STEPS} steps, {precision.dtype}, {device}")
    batches = num_atoms.split(BATCH_SIZE)
    if device != "cpu":
        _sample(generator, batches[0], precision)
    start = time.perf_counter()
    for some in batches:
        finite = _sample(generator, some, precision).lattice.isfinite().all()
    print(f"lattices of the last batch are finite: {bool(finite)}")
    FLOOR.print_share(time.perf_counter() - start, crystals)


def _sample(generator: CrysBFN, num_atoms: torch.Tensor, precision: Precision) -> CrystalBatch:
    """A batch, back on the CPU."""
    with precision.autocast():
        condition = Condition(num_atoms.to(precision.device))
        crystals = generator.sample(condition, range(len(num_atoms)))
    return crystals.to("cpu")
