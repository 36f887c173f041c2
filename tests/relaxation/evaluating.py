"""What a potential says of crystals, and crystals that are not at rest."""

from dataclasses import replace

import numpy as np
import torch

from sunflow.relaxation.geometry import Geometry


def evaluated(evaluator, crystals):
    """Energy per atom (eV), forces (eV/Å) and stress (eV/Å³) of every crystal."""
    geometry = Geometry.of(crystals, torch.device("cpu"))
    evaluation = evaluator.evaluate(geometry)
    assert evaluation.refusals == {}
    forces = evaluation.forces.split(geometry.num_atoms.tolist())
    energies = evaluation.energies / geometry.num_atoms
    return list(zip(energies.numpy(), (each.numpy() for each in forces), evaluation.stresses.numpy(), strict=True))


def shaken_together(crystals, seed):
    """Strained by some percent, with atoms moved by about 0.1 Å."""
    random = np.random.default_rng(seed)
    return [
        replace(
            crystal,
            lattice=crystal.lattice @ (np.eye(3) + 0.03 * random.normal(size=(3, 3))),
            frac_coords=crystal.frac_coords + 0.02 * random.normal(size=crystal.frac_coords.shape),
        )
        for crystal in crystals
    ]
