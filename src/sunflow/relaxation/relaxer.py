"""Move atoms and cell to the nearest minimum of a potential's energy."""

import time
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.optimize import FIRE

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.cell_filter import LogStrainFilter
from sunflow.relaxation.potential import EvaluationError, Potential
from sunflow.relaxation.screening import why_not, why_not_cell

TIME_STEP = 0.3
"""ASE's first step of 0.1 needs half as many steps again to reach the same minima."""
MAX_ENERGY = 1e3
"""eV/atom, either sign; beyond it lies no matter."""
MAX_FORCE = 1e5
"""eV/Å; beyond it the optimiser's steps mean nothing."""


def relax_crystal(crystal: Crystal, potential: Potential, max_force: float, max_steps: int, timeout: float) -> Crystal:
    """Relax atoms and cell by FIRE until forces and cell gradient are below `max_force`.

    Args:
        crystal: What to relax; one that has failed already is returned as it is.
        potential: Whose energy is minimised.
        max_force: eV/Å, for the force on every atom and the cell's gradient per atom, as ASE's filters scale it.
        max_steps: Steps of the optimiser.
        timeout: Seconds.

    Returns:
        The final structure, with the properties `energy_per_atom` (eV/atom), `max_force` (eV/Å) and `steps`; its
        status is `ok`, `not_converged` (step limit or time-out) or `failed`, and the reason says why.
    """
    if crystal.status == "failed":
        return crystal
    if reason := why_not(crystal, potential.atomic_numbers):
        return crystal.failed(reason)
    atoms = _to_atoms(crystal, potential)
    try:
        steps, reason = _minimise(atoms, max_force, max_steps, timeout)
        return _judge(_evaluated(_moved(crystal, atoms), potential), potential, max_force, steps, reason)
    except EvaluationError as error:
        return crystal.failed(str(error))


def single_point(crystal: Crystal, potential: Potential) -> Crystal:
    """The crystal with its `energy_per_atom` (eV/atom) and `max_force` (eV/Å), or failed with the reason."""
    if crystal.status == "failed":
        return crystal
    if reason := why_not(crystal, potential.atomic_numbers):
        return crystal.failed(reason)
    try:
        return _evaluated(crystal, potential)
    except EvaluationError as error:
        return crystal.failed(str(error))


def _minimise(atoms: Atoms, max_force: float, max_steps: int, timeout: float) -> tuple[int, str]:
    """Steps taken, and why they ended early (empty if converged).

    The optimiser measures the cell's gradient against the cell it started with, so it starts anew until the gradient
    at the final cell is small as well.
    """
    start = time.monotonic()
    steps = 0
    while _largest_force(atoms) > max_force:
        if steps >= max_steps:
            return steps, f"step limit: forces above {max_force:g} eV/Å after {steps} steps"
        optimizer = FIRE(LogStrainFilter(atoms), logfile=None, dt=TIME_STEP)
        for _ in optimizer.irun(fmax=max_force, steps=max_steps - steps):
            _guard(atoms)
            if time.monotonic() - start > timeout:
                return steps + optimizer.nsteps, f"time-out: {timeout:g} s were over after {optimizer.nsteps} steps"
        steps += optimizer.nsteps
    return steps, ""


def _guard(atoms: Atoms) -> None:
    """Stop a run that has left the realm of crystals.

    Raises:
        EvaluationError: Energy, forces or cell are absurd.
    """
    if reason := why_not_cell(atoms.cell.array, len(atoms)):
        raise EvaluationError(f"numerical failure while relaxing: {reason}")
    energy, force = atoms.get_potential_energy() / len(atoms), np.abs(atoms.get_forces()).max()
    if not (abs(energy) < MAX_ENERGY and force < MAX_FORCE):
        raise EvaluationError(f"numerical failure while relaxing: {energy:.3g} eV/atom, {force:.3g} eV/Å")


def _judge(crystal: Crystal, potential: Potential, max_force: float, steps: int, reason: str) -> Crystal:
    """Status of a relaxed crystal, by its own forces and geometry."""
    crystal = crystal.with_properties(steps=steps)
    if absurd := why_not(crystal, potential.atomic_numbers):
        return crystal.failed(f"numerical failure while relaxing: {absurd}")
    if not reason and crystal.properties["max_force"] > max_force:
        reason = "forces of the final structure are above the limit"
    return replace(crystal, status="not_converged", reason=reason) if reason else crystal


def _evaluated(crystal: Crystal, potential: Potential) -> Crystal:
    """The crystal with its energy and largest force, from a fresh evaluation."""
    atoms = _to_atoms(crystal, potential)
    _guard(atoms)
    energy = atoms.get_potential_energy() / len(atoms)
    return crystal.with_properties(energy_per_atom=float(energy), max_force=_largest_force(atoms))


def _largest_force(atoms: Atoms) -> float:
    """The largest force on an atom or gradient of the cell, in eV/Å."""
    return float(np.linalg.norm(LogStrainFilter(atoms).get_forces(), axis=1).max())


def _to_atoms(crystal: Crystal, potential: Potential) -> Atoms:
    return Atoms(
        numbers=crystal.atomic_numbers,
        scaled_positions=crystal.frac_coords,
        cell=crystal.lattice,
        pbc=True,
        calculator=potential.calculator(),
    )


def _moved(crystal: Crystal, atoms: Atoms) -> Crystal:
    frac_coords = np.mod(np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T, 1.0)
    frac_coords[frac_coords == 1.0] = 0.0
    return replace(crystal, lattice=atoms.cell.array.copy(), frac_coords=frac_coords)
