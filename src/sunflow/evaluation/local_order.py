"""Local order parameters: how much the bonds of an atom look like those of a motif (Zimmermann and Jain, 2020).

Motifs, definitions and constants are those of matminer's preset "ops", which pymatgen holds (`LocalStructOrderParams`);
here they are computed for many atoms with as many bonds at once, from the same angles.
"""

from collections.abc import Callable, Mapping
from functools import cache

from pymatgen.core.local_env import CN_OPT_PARAMS, DEFAULT_OP_PARAMS

from sunflow.evaluation.polyhedra import Parameters, Polyhedron
from sunflow.evaluation.special_motifs import (
    OrderParameter,
    bent,
    body_centered,
    bond_orientation,
    cuboctahedron,
    single_bond,
)

MAX_BONDS = 12
"""The most bonds for which there is a motif."""
DEGREES = (2, 4, 6)
"""Of the bond-orientational order parameters, for 9 bonds and more."""
SPECIAL: dict[str, Callable[[Parameters], OrderParameter]] = {
    "bent": bent,
    "bcc": body_centered,
    "cuboct_max": cuboctahedron,
}


@cache
def order_parameters(num_bonds: int) -> tuple[OrderParameter, ...]:
    """Those of so many bonds, in matminer's order; each maps the angles around atoms to (atoms,) values."""
    if num_bonds == 1:
        return (single_bond,)
    motifs = tuple(_motif(*definition) for definition in CN_OPT_PARAMS.get(num_bonds, {}).values())
    return motifs + tuple(bond_orientation(degree) for degree in DEGREES if 9 <= num_bonds <= MAX_BONDS)


def _motif(kind: str, parameters: Mapping[str | int, float | int] | None = None) -> OrderParameter:
    known = {name: float(value) for name, value in (parameters or DEFAULT_OP_PARAMS[kind]).items()}
    return SPECIAL[kind](known) if kind in SPECIAL else Polyhedron.of(kind, known)
