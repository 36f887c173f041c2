"""What the configuration's names stand for, where the name is all that the configuration knows."""

POTENTIALS = {
    "chgnet": "sunflow.relaxation.chgnet",
    "tensornet": "sunflow.relaxation.tensornet",
}
"""Machine-learned potential → module with a function `load`."""
ASE_POTENTIAL = "sunflow.relaxation.ase_potential"
"""The same for names with dots, which are import paths of ASE calculators."""


def module_of(potential: str) -> str:
    """The module that loads a potential, by its name in the configuration.

    Raises:
        KeyError: There is none.
    """
    return ASE_POTENTIAL if "." in potential else POTENTIALS[potential]
