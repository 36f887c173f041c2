"""Could the atoms of a crystal be ions whose charges cancel? CDVAE's rule, with SMACT's tables."""

import itertools
import math
from collections.abc import Sequence
from functools import cache, reduce
from typing import Literal

import numpy as np
import smact
from pymatgen.core import Element

from sunflow.crystals.crystal import Crystal

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


def composition_valid(crystal: Crystal) -> bool:
    """Whether its composition is valid."""
    return composition_verdict(crystal) in VALID


def composition_verdict(crystal: Crystal) -> Verdict:
    """Why its composition is valid or not.

    A single element is valid, and so is one of metals alone. Others need an oxidation state for each element, from the
    list that SMACT has had since 2014 (`smact14`), such that the charges cancel and cations are less electronegative
    than anions. Elements without an oxidation state, or unknown to SMACT, make a composition not valid.
    """
    return _verdict(reduced_counts(crystal)) if crystal.num_atoms else "no_atoms"


def reduced_counts(crystal: Crystal) -> Counts:
    """(atomic number, atoms per formula unit) of every element, by atomic number."""
    atomic_numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
    return tuple(zip(atomic_numbers.tolist(), (counts // np.gcd.reduce(counts)).tolist(), strict=True))


@cache
def _verdict(formula: Counts) -> Verdict:
    elements = [element for atomic_number, _ in formula if (element := _element(atomic_number)) is not None]
    states = [element.oxidation_states_smact14 or [] for element in elements]
    if len(formula) == 1:
        return "single_element"
    if len(elements) < len(formula):
        return "no_oxidation_states"
    if all(element.symbol in smact.metals for element in elements):
        return "all_metals"
    if not all(states):
        return "no_oxidation_states"
    if math.prod(map(len, states)) > MAX_COMBINATIONS:
        return "too_many_combinations"
    return "balanced" if _balances(states, [count for _, count in formula], elements) else "unbalanced"


@cache
def _element(atomic_number: int) -> smact.Element | None:
    try:
        return smact.Element(Element.from_Z(atomic_number).symbol)
    except (KeyError, ValueError):
        return None


def _balances(states: list[list[int]], counts: list[int], elements: list[smact.Element]) -> bool:
    """Whether a combination of states is neutral and passes Pauling's test."""
    electronegativities = [element.pauling_eneg for element in elements]
    charges = reduce(np.add.outer, [count * np.array(own, np.int32) for own, count in zip(states, counts, strict=True)])
    for index in np.flatnonzero(charges == 0):
        chosen = np.unravel_index(index, charges.shape)
        if pauling_test([own[i] for own, i in zip(states, chosen, strict=True)], electronegativities):
            return True
    return False


def pauling_test(states: Sequence[int], electronegativities: Sequence[float | None]) -> bool:
    """Whether every cation is less electronegative than every anion, as SMACT 2.2.1 and CDVAE together decide it.

    The first pair of elements that decides does: a cation and an anion of which one has no electronegativity pass
    ("assume it is okay", CDVAE), another pair of which one has none does not (SMACT). SMACT 4 lets neither pass.
    """
    for (state, own), (other_state, other) in itertools.combinations(zip(states, electronegativities, strict=True), 2):
        opposite = state * other_state < 0
        if own is None or other is None:
            return opposite
        if opposite and (own >= other if state > 0 else own <= other):
            return False
    return True
