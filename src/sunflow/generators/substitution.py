"""A control: ions of train crystals exchanged for likely others (Hautier et al., Inorg. Chem. 50, 656 (2011))."""

import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability
from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor
from pymatgen.core import Composition, Element
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, to_structure
from sunflow.generators.memory import Memory, UnmadeError, without_hyper_parameters

MAX_TEMPLATES = 100
"""Train crystals that are tried for one new crystal."""
NUM_EXCHANGES = 256
"""Exchanges of ions that are drawn for each of them."""
THRESHOLD = 1e-3
"""Less likely exchanges are not made; the default of pymatgen's own predictor."""
MAX_ATOMS_OF_FORMULA = 20
"""Larger reduced formulas get no oxidation states: to guess them would take seconds and more."""
UNKNOWN, UNLIKELY, UNBOUND = "of no known ions", "without a likely exchange", "without a volume"
"""What is wrong with a train crystal."""


class Ions:
    """The ions of pymatgen's model, and how likely each takes the place of each.

    Attributes:
        elements: Atomic number of every ion.
        charges: Of every ion.
        places: Of every ion, by atomic number and charge, in the other attributes.
        probabilities: P(new ion | old ion); rows are old ions and sum to one.
    """

    def __init__(self) -> None:
        model = SubstitutionProbability()
        ions = sorted(model.species, key=str)
        self.elements = np.array([ion.Z for ion in ions])
        self.charges = np.array([int(ion.oxi_state) for ion in ions])
        self.places = {
            ion: place for place, ion in enumerate(zip(self.elements.tolist(), self.charges.tolist(), strict=True))
        }
        self.probabilities = np.array([[model.cond_prob(new, old) for new in ions] for old in ions])

    def exchanges(
        self, old: list[int], allowed: Bool[np.ndarray, " ions"], random: np.random.Generator
    ) -> Int[np.ndarray, "exchanges _old"]:
        """Places of allowed ions drawn for the old ones, independently of one another; unlikely draws are left out."""
        chances = self.probabilities[old]
        shares = chances * allowed / (chances * allowed).sum(-1, keepdims=True)
        drawn = np.stack([random.choice(len(allowed), NUM_EXCHANGES, p=row) for row in shares], -1)
        return drawn[np.take_along_axis(chances, drawn.T, -1).prod(0) > THRESHOLD]


@cache
def known_ions() -> Ions:
    """The ions of the model, which take seconds to read."""
    return Ions()


class Substitution(Memory):
    """The structures of train crystals with other elements in them, and volumes to match.

    Each element of a train crystal becomes another or stays, by the model's conditional probability for its ion, given
    that the new crystal has no charge, another composition and as many elements, and that the exchange is likely.

    Args:
        task: `generation`.
        statistics: Of the train split, whose elements take one another's places.
    """

    def make(
        self,
        num_atoms: int,
        atomic_numbers: np.ndarray | None,
        elements: Collection[int] | None,
        random: np.random.Generator,
    ) -> Crystal:
        """A train crystal with other elements in it."""
        allowed = np.isin(known_ions().elements, list(elements or self.atomic_numbers.tolist()))
        if not allowed.any():
            raise UnmadeError("pymatgen's model has no ions of the elements asked for")
        faults: Counter[str] = Counter()
        for place in self.of_size(num_atoms, random)[:MAX_TEMPLATES]:
            try:
                return rescaled(exchanged(self.train_crystal(place), allowed, random))
            except UnmadeError as error:
                faults[str(error)] += 1
        told = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items()))
        raise UnmadeError(f"no ion exchange in {faults.total()} train crystals of {num_atoms} atoms: {told}")


def exchanged(template: Crystal, allowed: Bool[np.ndarray, " ions"], random: np.random.Generator) -> Crystal:
    """The template with other elements, whose ions are allowed.

    Raises:
        UnmadeError: Its ions are not known, or no exchange that was drawn is likely, without charge and new.
    """
    table = known_ions()
    elements, atoms, amounts = np.unique(template.atomic_numbers, return_inverse=True, return_counts=True)
    charges = oxidation_states(reduced_formula(template))
    ions = [(element, charges.get(element, 0)) for element in elements.tolist()]
    if not set(ions) <= table.places.keys():
        raise UnmadeError(UNKNOWN)
    new = table.exchanges([table.places[ion] for ion in ions], allowed, random)
    for exchange in table.elements[new[table.charges[new] @ amounts == 0]]:
        atomic_numbers = exchange[atoms]
        changed = sorted(atomic_numbers) != sorted(template.atomic_numbers)
        if changed and len(set(exchange)) == len(elements):
            return replace(template, atomic_numbers=atomic_numbers)
    raise UnmadeError(UNLIKELY)


@lru_cache(maxsize=100_000)
def oxidation_states(formula: str) -> dict[int, int]:
    """The likeliest charge of every element of a reduced formula; empty if none or mixed ones balance it."""
    try:
        guesses = Composition(formula).oxi_state_guesses(max_sites=-MAX_ATOMS_OF_FORMULA)
    except ValueError:
        return {}
    charges = {Element(symbol).Z: charge for guess in guesses[:1] for symbol, charge in guess.items()}
    return {} if any(charge % 1 for charge in charges.values()) else {z: int(q) for z, q in charges.items()}


def rescaled(crystal: Crystal) -> Crystal:
    """The crystal at the volume that known bond lengths predict, from half of its own to one and a half.

    Raises:
        UnmadeError: No volume can be predicted.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            volume = DLSVolumePredictor().predict(to_structure(crystal))
        except ValueError:
            raise UnmadeError(UNBOUND) from None
    if not np.isfinite(volume):
        raise UnmadeError(UNBOUND)
    return replace(crystal, lattice=crystal.lattice * (volume / crystal.volume) ** (1 / 3))


def build(
    task: str, model: dict[str, Any], statistics: dict[str, Any], accuracy_schedule: Float[Tensor, " steps"] | None
) -> Substitution:
    """A generator that will remember the train split.

    Raises:
        ValueError: A hyper-parameter is given, or the task is another.
    """
    without_hyper_parameters("substitution", model)
    if task != "generation":
        raise ValueError(f"substitution knows the task generation, not {task}: it finds its own compositions")
    return Substitution(task, statistics)
