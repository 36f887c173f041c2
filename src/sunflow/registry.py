"""Names that several rooms must agree on, and what they stand for."""

POTENTIALS = {
    "chgnet": "sunflow.relaxation.chgnet",
    "tensornet": "sunflow.relaxation.tensornet",
}
"""Machine-learned potential → module with a function `load`."""
ASE_POTENTIAL = "sunflow.relaxation.ase_potential"
"""The same for names with dots, which are import paths of ASE calculators."""


MP2020 = "MP2020"
"""Scale of total energies: PBE(+U) with the Materials Project's corrections of 2020 applied, as on its hull."""


def is_import_path(potential: str) -> bool:
    """Whether this is no name of a potential, but the import path of an ASE calculator."""
    return "." in potential


def module_of(potential: str) -> str:
    """The module that loads a potential, by its name in the configuration.

    Raises:
        KeyError: There is none.
    """
    return ASE_POTENTIAL if is_import_path(potential) else POTENTIALS[potential]
