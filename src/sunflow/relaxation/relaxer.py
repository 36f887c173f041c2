"""Move atoms and cell to the nearest minimum of a potential's energy."""

import time
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.optimize import FIRE

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.cell_filter import LogStrainFilter
from sunflow.relaxation.potential import EvaluationError, Potential
from sunflow.relaxation.screening import why_not, why_not_cell, why_not_positions

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
    try:
        return _minimised(crystal, potential, max_force, max_steps, timeout)
    except EvaluationError as error:
        return crystal.failed(str(error))


def single_point(crystal: Crystal, potential: Potential) -> Crystal:
    """The crystal with its `energy_per_atom` (eV/atom) and `max_force` (eV/Å), or failed with the reason."""
    if crystal.status == "failed":
        return crystal
    if reason := why_not(crystal, potential.atomic_numbers):
        return crystal.failed(reason)
    try:
        return _evaluated(crystal, potential)[0]
    except EvaluationError as error:
        return crystal.failed(str(error))


def _minimised(crystal: Crystal, potential: Potential, max_force: float, max_steps: int, timeout: float) -> Crystal:
    """The crystal at the end of the descent.

    The optimiser measures the cell's gradient against the cell it started with, so it starts anew until a fresh
    evaluation of the very crystal that is returned finds all forces small.
    """
    deadline = time.monotonic() + timeout
    steps, reason = 0, ""
    crystal, force = _evaluated(crystal, potential)
    while force > max_force and not reason:
        atoms = _to_atoms(crystal, potential)
        optimizer = FIRE(LogStrainFilter(atoms), logfile=None, dt=TIME_STEP)
        for _ in optimizer.irun(fmax=max_force, steps=max_steps - steps):
            _guard(atoms)
            if time.monotonic() > deadline:
                break
        steps += optimizer.nsteps
        crystal = _moved(crystal, atoms)
        if overlap := why_not_positions(crystal):
            raise EvaluationError(f"numerical failure: {overlap}")
        crystal, force = _evaluated(crystal, potential)
        if force > max_force and ((late := time.monotonic() > deadline) or steps >= max_steps):
            reason = f"{'time-out' if late else 'step limit'}: forces of {force:.2g} eV/Å after {steps} steps"
    crystal = crystal.with_properties(steps=steps)
    return replace(crystal, status="not_converged", reason=reason) if reason else crystal


def _guard(atoms: Atoms) -> None:
    """Stop a run that has left the realm of crystals.

    Raises:
        EvaluationError: Energy, forces or cell are absurd.
    """
    if reason := why_not_cell(atoms.cell.array, len(atoms)):
        raise EvaluationError(f"numerical failure: {reason}")
    energy, force = atoms.get_potential_energy() / len(atoms), np.abs(atoms.get_forces()).max()
    if not (abs(energy) < MAX_ENERGY and force < MAX_FORCE):
        raise EvaluationError(f"numerical failure: {energy:.3g} eV/atom, {force:.3g} eV/Å")


def _evaluated(crystal: Crystal, potential: Potential) -> tuple[Crystal, float]:
    """The crystal with its energy and largest force, from a fresh evaluation, and that force again.

    Raises:
        EvaluationError: The potential has no energy for it, or an absurd one.
    """
    atoms = _to_atoms(crystal, potential)
    _guard(atoms)
    energy = float(atoms.get_potential_energy()) / len(atoms)
    force = float(np.linalg.norm(LogStrainFilter(atoms).get_forces(), axis=1).max())
    return crystal.with_properties(energy_per_atom=energy, max_force=force), force


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
