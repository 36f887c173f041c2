"""Oxidation states and electronegativities that elements can have, as tables of SMACT give them."""

from dataclasses import dataclass

from smact import Element
from smact.utils.oxidation import ICSD24OxStatesFilter

from sunflow.crystals.elements import SYMBOLS
from sunflow.evaluation.tables import read_table

TABLE = "smact_2_2_1.csv"
NUM_ELEMENTS = 103
"""Of SMACT's tables."""


@dataclass(frozen=True)
class OxidationStates:
    """What each element can be.

    Attributes:
        states: Symbol → oxidation states; an element that is missing has none.
        electronegativities: Symbol → Pauling's electronegativity; an element that is missing has none.
    """

    states: dict[str, tuple[int, ...]]
    electronegativities: dict[str, float]


def cdvae_states() -> OxidationStates:
    """Those of SMACT 2.2.1, with which the published figures were computed.

    Later versions call the list `smact14` and differ in one state of iridium (−2, now −3) and in the electronegativity
    of zirconium (0.33, now 1.33).
    """
    rows = read_table(TABLE)
    return OxidationStates(
        {row["symbol"]: tuple(map(int, row["oxidation_states"].split())) for row in rows},
        {row["symbol"]: float(row["electronegativity"]) for row in rows if row["electronegativity"]},
    )


def icsd24_states() -> OxidationStates:
    """Those that `smact_validity` of SMACT 4 uses by default: reported at least three times in the ICSD of 2024."""
    table = ICSD24OxStatesFilter().filter()
    elements = {symbol: Element(symbol) for symbol in SYMBOLS[:NUM_ELEMENTS]}
    return OxidationStates(
        {
            str(symbol): tuple(map(int, str(states).split()))
            for symbol, states in zip(table["element"], table["oxidation_state"], strict=True)
        },
        {symbol: element.pauling_eneg for symbol, element in elements.items() if element.pauling_eneg is not None},
    )
