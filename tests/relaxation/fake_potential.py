"""A Lennard-Jones potential that misbehaves for some elements, as real ones do, and loads at once."""

import os
import time

import numpy as np
from ase.calculators.lj import LennardJones

from sunflow.relaxation.potential import EvaluationError

ARGON, KILLS, NOT_A_NUMBER, EXPLODES, REFUSES, SLOW, BUG = 18, 36, 54, 10, 2, 86, 85


class FakePotential:
    name = "fake-1"
    weights_hash = "0" * 64
    atomic_numbers = frozenset({ARGON, KILLS, NOT_A_NUMBER, EXPLODES, REFUSES, SLOW, BUG})

    def calculator(self):
        return FakeCalculator(sigma=3.4, epsilon=0.0104, rc=10.0, smooth=True)


class FakeCalculator(LennardJones):
    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        super().calculate(atoms, list(properties), list(system_changes))
        kinds = set(self.atoms.numbers)
        if KILLS in kinds:
            os._exit(7)
        if NOT_A_NUMBER in kinds:
            self.results["forces"] = np.full((len(self.atoms), 3), np.nan)
        if EXPLODES in kinds:
            self.results["energy"] = 1e9
        if REFUSES in kinds:
            raise EvaluationError("isolated atoms: 1 of 1 have no neighbour within 0 Å")
        if SLOW in kinds:
            time.sleep(0.05)
        if BUG in kinds:
            raise KeyError("a bug")


def load() -> FakePotential:
    return FakePotential()


def dies_while_loading() -> FakePotential:
    os._exit(3)
