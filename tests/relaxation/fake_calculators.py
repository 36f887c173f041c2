"""ASE calculators, and things that are none, to be named by import path."""

import numpy as np
from ase.calculators.lj import LennardJones

ARGON, NOT_A_NUMBER, OUT_OF_MEMORY, UNKNOWN = 18, 54, 85, 118
NOT_CALLABLE = 7


class FussyLennardJones(LennardJones):
    """Knows no element 118, runs out of memory for astatine and gives no number for xenon."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        if "numbers" in system_changes and UNKNOWN in atoms.numbers:
            self.atoms = atoms.copy()
            raise KeyError("no parameters for Og")
        if OUT_OF_MEMORY in atoms.numbers:
            raise MemoryError
        super().calculate(atoms, list(properties), list(system_changes))
        if NOT_A_NUMBER in atoms.numbers:
            self.results["energy"] = np.nan


def on_device(device="unknown", **parameters):
    """A calculator that knows where it is."""
    calculator = LennardJones(**parameters)
    calculator.told_device = device
    return calculator


def no_calculator():
    return {}


def from_file(model):
    return LennardJones()
