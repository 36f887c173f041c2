"""Compositions that the user names."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd
from pymatgen.core import Composition, Element

from sunflow.generators.requests import Request, of_composition
from sunflow.stages.command import StageError


def read_formulas(words: Sequence[str]) -> list[str]:
    """Formulas as they are, or those in the column `formula` of a CSV file.

    Raises:
        StageError: A file has no such column, or a word is no formula.
    """
    formulas: list[str] = []
    for word in words:
        if not word.endswith(".csv"):
            formulas.append(word)
            continue
        try:
            table = pd.read_csv(word, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise StageError(f"{word} cannot be read: {error}") from error
        if "formula" not in table.columns:
            raise StageError(f"{word} has no column formula, but {', '.join(map(str, table.columns))}")
        formulas += table["formula"].tolist()
    return list(dict.fromkeys(formulas))


def read_range(text: str) -> list[int]:
    """`2` is [2], `1-4` is [1, 2, 3, 4].

    Raises:
        ValueError: It is neither.
    """
    match = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", text)
    numbers = list(range(int(match[1]), int(match[2] or match[1]) + 1)) if match else []
    if not numbers:
        raise ValueError(f"{text!r} is neither a number such as 2 nor a range such as 1-4")
    return numbers


def candidates_of(formula: str, formula_units: Sequence[int], num_candidates: int) -> Iterator[Request]:
    """The structures to predict for one formula: so many for every number of formula units in the cell.

    Raises:
        StageError: It is no formula.
    """
    try:
        composition = Composition(formula).reduced_composition
        counts = {Element(element.symbol).Z: round(amount) for element, amount in composition.items()}
    except (ValueError, KeyError) as error:
        raise StageError(f"{formula!r} is no formula such as LiFePO4: {error}") from error
    if not counts or any(abs(amount - round(amount)) > 1e-8 for amount in composition.values()):
        raise StageError(f"{formula!r} is no formula of whole numbers of atoms such as LiFePO4")
    for units in formula_units:
        atoms = [z for z in sorted(counts) for _ in range(units * counts[z])]
        yield from of_composition(f"{composition.reduced_formula}_x{units}", atoms, num_candidates)
