"""Relaxation in batches against the optimiser of the `chgnet` package, crystal by crystal."""

import io
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from chgnet.model.dynamics import StructOptimizer

from bench.samples import generated, perturbed, real
from bench.scaling import scaling
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import CRYSTALS_ON_CPU, CRYSTALS_ON_GPU
from sunflow.relaxation.potential import Potential, load_potential
from sunflow.relaxation.relaxer import Relaxer

TOLERANCE = 0.005
"""eV/atom, by which a relaxed crystal may lie above that of the package."""


@dataclass(frozen=True)
class End:
    """What came of a relaxation: a status as that of a crystal, eV/atom, and steps of the optimiser."""

    status: str
    energy: float
    steps: int


Relax = Callable[[Sequence[Crystal]], list[End]]


def relaxation(mirror: Path | None = None, crystals: int = 100, device: str = "cpu") -> None:
    """Perturbed and generated crystals to 0.02 eV/Å; what FIRE takes for a fifth of them; and processes on a CPU."""
    chgnet, kind = load_potential("chgnet"), torch.device(device)
    sets = {
        "perturbed crystals of MP-20's test split": perturbed(real(mirror, crystals)),
        "generated crystals, raw": generated(mirror, max(1, crystals // 2), chgnet),
    }
    lbfgs, fire, package = _ours(chgnet, kind, "lbfgs"), _ours(chgnet, kind, "fire"), _package(kind)
    unit = "wall" if kind.type == "cuda" else "CPU"
    print(f"{kind}, seconds of {unit} time, after a warm-up")
    for relax in (lbfgs, fire, package):
        relax(sets["generated crystals, raw"][:2])
    for name, sample in sets.items():
        print(f"\n{len(sample)} {name}, {sum(crystal.num_atoms for crystal in sample)} atoms")
        part, rest = sample[: max(1, crystals // 5)], sample[max(1, crystals // 5) :]
        first = _measured({"package": package, "L-BFGS": lbfgs, "FIRE": fire}, part, kind)
        second = _measured({"package": package, "L-BFGS": lbfgs}, rest, kind)
        ends = {variant: first[0][variant] + second[0][variant] for variant in second[0]}
        _print_speed(ends, {variant: first[1][variant] + second[1][variant] for variant in second[1]})
        _print_energies(sample, ends["package"], ends["L-BFGS"])
        print(f"  the first {len(part)} of them, with FIRE")
        _print_speed(*first)
    if kind.type == "cpu":
        print()
        scaling(3, mirror, min(64, crystals))


def _ours(potential: Potential, device: torch.device, optimizer: Literal["lbfgs", "fire"]) -> Relax:
    relaxer = Relaxer(potential, Limits(optimizer=optimizer), device)

    def relax(crystals: Sequence[Crystal]) -> list[End]:
        done = {crystal.crystal_id: crystal for crystal in relaxer.relax(crystals)}
        return [_end(done[crystal.crystal_id]) for crystal in crystals]

    return relax


def _end(crystal: Crystal) -> End:
    energy = crystal.properties.get("energy_per_atom")
    status = f"failed: {crystal.reason}" if crystal.status == "failed" else crystal.status
    return End(status, np.nan if energy is None else float(energy), int(crystal.properties.get("steps") or 0))


def _package(device: torch.device) -> Relax:
    limits = Limits()
    with redirect_stdout(io.StringIO()):
        optimizer = StructOptimizer(use_device=device.type)

    def relax(crystals: Sequence[Crystal]) -> list[End]:
        ends = []
        for crystal in crystals:
            structure = to_structure(crystal)
            try:
                told = optimizer.relax(structure, fmax=limits.max_force, steps=limits.max_steps, verbose=False)
            except Exception as error:
                ends.append(End(f"failed: {error}", np.nan, 0))
                continue
            energies = told["trajectory"].energies  # of the beginning, of every step, and of the last one again
            steps = len(energies) - 2
            status = "ok" if steps < limits.max_steps else "not_converged"
            ends.append(End(status, float(energies[-1]) / crystal.num_atoms, steps))
        return ends

    return relax


def _measured(
    variants: dict[str, Relax], crystals: Sequence[Crystal], device: torch.device
) -> tuple[dict[str, list[End]], dict[str, float]]:
    """The ends and the seconds of all variants, which take turns after every group."""
    on_gpu = device.type == "cuda"
    clock, size = (time.perf_counter, CRYSTALS_ON_GPU) if on_gpu else (time.process_time, CRYSTALS_ON_CPU)
    ends: dict[str, list[End]] = {name: [] for name in variants}
    seconds = dict.fromkeys(variants, 0.0)
    for first in range(0, len(crystals), size):
        for name, relax in variants.items():
            start = clock()
            ends[name] += relax(crystals[first : first + size])
            seconds[name] += clock() - start
    return ends, seconds


def _print_speed(ends: dict[str, list[End]], seconds: dict[str, float]) -> None:
    """One line per variant; the package is the reference."""
    for name, value in seconds.items():
        count, steps = len(ends[name]), [end.steps for end in ends[name]]
        converged = sum(end.status == "ok" for end in ends[name])
        print(
            f"  {name:8s} {value / count:7.3f} s a crystal, {count / value:7.2f} crystals a second,"
            f" {seconds['package'] / value:6.2f} x, {converged} of {count} converged,"
            f" median {np.median(steps):.0f} and mean {np.mean(steps):.0f} steps"
        )


def _print_energies(crystals: Sequence[Crystal], theirs: list[End], ours: list[End]) -> None:
    """How many end as low as the package's, and all others."""
    pairs = list(zip(crystals, theirs, ours, strict=True))
    converged = [pair for pair in pairs if pair[1].status == "ok"]
    for name, chosen in (("all", pairs), ("those where the package converged", converged)):
        low = sum(_is_low(*ends) for _, *ends in chosen)
        lower = sum(end.energy < their.energy - TOLERANCE for _, their, end in chosen)
        print(f"  of {name}: {low} of {len(chosen)} within 5 meV/atom of the package's energy or lower, {lower} lower")
    print("  higher by more, where the package converged:")
    _print_each(pair for pair in converged if not _is_low(*pair[1:]))
    print("  where the package did not converge:")
    _print_each(pair for pair in pairs if pair[1].status != "ok")


def _is_low(theirs: End, ours: End) -> bool:
    return ours.energy <= theirs.energy + TOLERANCE


def _print_each(pairs: Iterable[tuple[Crystal, End, End]]) -> None:
    for crystal, theirs, ours in pairs:
        print(
            f"    {crystal.crystal_id:12s} {1000 * (ours.energy - theirs.energy):+8.1f} meV/atom,"
            f" {theirs.steps} steps of the package ({theirs.status}), {ours.steps} of ours ({ours.status})"
        )
