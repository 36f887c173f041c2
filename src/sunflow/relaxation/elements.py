"""Crystals of one element that may be its ground state: the corners of a hull of the potential's own energies."""

import warnings

import numpy as np
from pymatgen.core import Element, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import from_structure
from sunflow.relaxation.prototypes import prototypes

CLOSE_PACKED = ("A_cF4_225_a-Cu", "A_cI2_229_a-W", "A_hP2_194_c-Mg")
"""Face-centred and body-centred cubic, hexagonal close-packed: tried for every element but hydrogen and noble gases."""
LANTHANIDE = ("A_hP4_194_ac-La", "A_hR3_166_ac-Sm")
ACTINIDE = ("A_oC4_63_c-U", "A_tI2_139_a-Pa", "A_oP8_62_2c-Np", "A_tP4_129_ac-Np", "A_oF8_70_a-Pu")
MOLECULAR = ("A_mC4_12_i-O2", "A_cP8_205_c-N2", "A_tP4_136_f-N2", "A_oC8_64_f-I")
TETRAHEDRAL = ("A_cF8_227_a-C", "A_tI4_141_a-Sn")
LAYERED = ("A_hR2_166_c-As", "A_oC8_64_f-P", "A_hP3_152_a-Se")
LOW_SYMMETRY_METAL = ("A_tI2_139_a-In", "A_oC8_64_f-Ga", "A_hR1_166_a-Hg")

GROUND_STATES = {
    "H": MOLECULAR,
    "B": ("A_hR12_166_2h-B", *TETRAHEDRAL),
    "C": ("A_hP4_186_ab-C", "A_hR2_166_c-C", "A_hP4_194_f-C", *TETRAHEDRAL),
    "N": MOLECULAR,
    "O": ("A_hR2_166_c-O2", *MOLECULAR),
    "F": MOLECULAR,
    "Na": ("A_hR3_166_ac-Sm",),
    "Li": ("A_hR3_166_ac-Sm",),
    "P": LAYERED,
    "S": ("A_oF128_70_4h-S", *LAYERED),
    "Cl": MOLECULAR,
    "Mn": ("A_cI58_217_ac2g-Mn", "A_cP20_213_cd-Mn"),
    "Br": MOLECULAR,
    "I": MOLECULAR,
    **dict.fromkeys(("Si", "Ge", "Sn"), TETRAHEDRAL),
    **dict.fromkeys(("As", "Sb", "Bi", "Se", "Te"), LAYERED),
    **dict.fromkeys(("Zn", "Cd", "Ga", "In", "Hg", "Tl", "Pb"), LOW_SYMMETRY_METAL),
    "Po": ("A_cP1_221_a-Po", "A_hR1_166_a-Po"),
}
"""Structure types that are tried besides close packing, where it is not the ground state."""


def elemental_crystals(symbol: str) -> list[Crystal]:
    """Unrelaxed candidates for the ground state of an element, at about its volume; `crystal_id` says the type."""
    names = dict.fromkeys((*_structure_types(Element(symbol)), *CLOSE_PACKED))
    return [from_structure(f"{symbol}-{name}", _with_element(prototypes()[name], symbol)) for name in names]


def _structure_types(element: Element) -> tuple[str, ...]:
    if element.symbol in GROUND_STATES:
        return GROUND_STATES[element.symbol]
    if element.is_lanthanoid:
        return LANTHANIDE
    return ACTINIDE if element.is_actinoid else ()


def _with_element(prototype: Structure, symbol: str) -> Structure:
    """The prototype made of `symbol`, scaled to the element's volume where that is known."""
    lattice = prototype.lattice
    if volume := _volume(symbol):
        lattice = lattice.scale(volume * len(prototype))
    return Structure(lattice, [symbol] * len(prototype), prototype.frac_coords)


def _volume(symbol: str) -> float | None:
    """Å³ per atom at ambient conditions, for the solid (molar volumes of gases are those of their crystals)."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        molar_volume = Element(symbol).molar_volume
    return None if molar_volume is None or not np.isfinite(molar_volume) else float(molar_volume) / 0.602214
