import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from sunflow import registry
from sunflow.registry import POTENTIALS, module_of


def functions_of(module):
    path = Path(find_spec(module).origin)
    return [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("name", [*POTENTIALS, "ase.calculators.emt.EMT"])
def test_every_potential_has_a_module_that_loads_it(name):
    assert "load" in functions_of(module_of(name))


def test_names_with_dots_are_import_paths_of_ase_calculators():
    assert module_of("ase.calculators.emt.EMT") == module_of("chgnet.v2") == "sunflow.relaxation.ase_potential"
    assert module_of("chgnet") == "sunflow.relaxation.chgnet"
    with pytest.raises(KeyError, match="chgnett"):
        module_of("chgnett")


def test_the_registry_imports_nothing():
    """The configuration is checked in a fraction of a second."""
    nodes = ast.walk(ast.parse(Path(registry.__file__).read_text()))
    assert not [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
