"""Structure types of the AFLOW library (Mehl et al., 2017), as pymatgen carries them."""

from functools import cache

from pymatgen.core import Structure


@cache
def prototypes() -> dict[str, Structure]:
    """Primitive cell of every structure type, by its AFLOW name; of two entries with one name, the first."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY

    found: dict[str, Structure] = {}
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        structure = entry["snl"].structure
        found.setdefault(f"{entry['tags']['aflow']}-{structure.composition.reduced_formula}", structure)
    return {name: structure.get_primitive_structure() for name, structure in found.items()}
