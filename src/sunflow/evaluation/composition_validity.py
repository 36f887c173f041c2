"""Could the atoms of a crystal be ions whose charges cancel? CDVAE's rule, under definitions with names."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import Literal

import numpy as np
import smact

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS
from sunflow.evaluation.oxidation_states import OxidationStates, cdvae_states, icsd24_states

Verdict = Literal[
    "single_element",
    "all_metals",
    "balanced",
    "unbalanced",
    "too_many_combinations",
    "no_oxidation_states",
    "no_atoms",
]
VALID: tuple[Verdict, ...] = ("single_element", "all_metals", "balanced")
MAX_COMBINATIONS = 10_000_000
"""Of oxidation states; a composition with more is not valid (DiffCSP)."""
Counts = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ChargeBalance:
    """A definition of compositional validity.

    A single element is valid, and so is one of metals alone. Others need an oxidation state for each element, such that
    the charges cancel and cations are less electronegative than anions. Elements without an oxidation state, or unknown
    to the table, make a composition not valid.

    Attributes:
        oxidation_states: What each element can be.
        unknown_passes: Whether a cation and an anion of which one has no electronegativity pass Pauling's test.
    """

    oxidation_states: OxidationStates
    unknown_passes: bool
    _verdicts: dict[Counts, Verdict] = field(default_factory=dict, init=False, repr=False)

    def verdict(self, crystal: Crystal) -> Verdict:
        """Why its composition is valid or not; remembered by reduced formula."""
        if not crystal.num_atoms:
            return "no_atoms"
        formula = reduced_counts(crystal)
        if formula not in self._verdicts:
            self._verdicts[formula] = self._verdict(formula)
        return self._verdicts[formula]

    def _verdict(self, formula: Counts) -> Verdict:
        symbols = [SYMBOLS[z - 1] if z <= len(SYMBOLS) else "" for z, _ in formula]
        states = [self.oxidation_states.states.get(symbol, ()) for symbol in symbols]
        if len(formula) == 1:
            return "single_element"
        if all(symbol in smact.metals for symbol in symbols):
            return "all_metals"
        if not all(states):
            return "no_oxidation_states"
        if math.prod(map(len, states)) > MAX_COMBINATIONS:
            return "too_many_combinations"
        electronegativities = [self.oxidation_states.electronegativities.get(symbol) for symbol in symbols]
        return "balanced" if self._balances(states, [n for _, n in formula], electronegativities) else "unbalanced"

    def _balances(
        self, states: list[tuple[int, ...]], counts: list[int], electronegativities: list[float | None]
    ) -> bool:
        """Whether a combination of states is neutral and passes Pauling's test."""
        of_elements = [count * np.array(own, np.int32) for own, count in zip(states, counts, strict=True)]
        charges = reduce(np.add.outer, of_elements)
        for index in np.flatnonzero(charges == 0):
            chosen = np.unravel_index(index, charges.shape)
            ions = [own[i] for own, i in zip(states, chosen, strict=True)]
            if pauling_test(ions, electronegativities, self.unknown_passes):
                return True
        return False


def pauling_test(states: Sequence[int], electronegativities: Sequence[float | None], unknown_passes: bool) -> bool:
    """Whether every cation is less electronegative than every anion, as SMACT decides it: by the first pair that does.

    A pair of which one has no electronegativity does not pass, but where `unknown_passes` a cation and an anion do.
    """
    for (state, own), (other_state, other) in itertools.combinations(zip(states, electronegativities, strict=True), 2):
        opposite = state * other_state < 0
        if own is None or other is None:
            return opposite and unknown_passes
        if opposite and (own >= other if state > 0 else own <= other):
            return False
    return True


def reduced_counts(crystal: Crystal) -> Counts:
    """(atomic number, atoms per formula unit) of every element, by atomic number."""
    atomic_numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
    return tuple(zip(atomic_numbers.tolist(), (counts // np.gcd.reduce(counts)).tolist(), strict=True))


@cache
def definitions() -> dict[str, ChargeBalance]:
    """The definitions by name.

    `cdvae` is CDVAE's function with SMACT 2.2.1, whose error at an unknown electronegativity it takes for a pass;
    `smact_default` is `smact_validity` of SMACT 4 as it comes, with the states that the ICSD of 2024 holds at least
    three times.
    """
    return {
        "cdvae": ChargeBalance(cdvae_states(), unknown_passes=True),
        "smact_default": ChargeBalance(icsd24_states(), unknown_passes=False),
    }


def composition_valid(crystal: Crystal, name: str = "cdvae") -> bool:
    """Whether its composition is valid by the definition of this name."""
    return definitions()[name].verdict(crystal) in VALID
