"""Imports point down only, and training and sampling need no chemistry package, but for the controls."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from sunflow.config import MODELS

PACKAGE = Path(__file__).parents[1] / "src" / "sunflow"
BELOW = {
    "configuration": {"crystals"},
    "crystals": set(),
    "flows": {"crystals"},
    "networks": {"crystals"},
    "generators": {"flows", "networks", "crystals"},
    "training": {"generators", "flows", "networks", "crystals"},
    "relaxation": {"crystals"},
    "evaluation": {"crystals"},
    "report": {"generators", "flows", "networks", "crystals"},
}
LEAVES = ("atomic", "journal", "progress", "provenance", "registry", "workers")
"""Modules beside the rooms, which import none of them."""
CHEMISTRY = ("pymatgen", "ase", "spglib", "chgnet", "matgl", "torch_geometric", "lightning", "smact")
CHEMISTRY += ("pyxtal", "pydantic", "yaml", "scipy", "pooch", "plotly", "psutil")
LEARNING = [kind for kind, model in MODELS.items() if model.environment == "torch"]
"""Kinds that run on a bare GPU image. Controls build on chemistry packages, and are imported only when asked for."""


def modules_imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_imported(path):
    return [name.split(".")[1] for name in modules_imported(path) if name.startswith("sunflow.")]


@pytest.mark.parametrize("room", BELOW)
def test_imports_point_down(room):
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        for other in set(rooms_imported(path)) & {*BELOW, "stages", "config"}:
            assert other == room or other in BELOW[room], f"{path.relative_to(PACKAGE)} imports sunflow.{other}"


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert rooms - {"stages"} == BELOW.keys()


@pytest.mark.parametrize("leaf", LEAVES)
def test_leaves_import_no_room(leaf):
    assert not set(rooms_imported(PACKAGE / f"{leaf}.py")) & {*BELOW, "stages", "config"}


def test_learning_needs_no_chemistry():
    """Nor does a stage that can be asked for a control, as long as it is not."""
    assert "crysbfn" in LEARNING
    refuse = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in CHEMISTRY)
    stages = "from sunflow.stages import accuracy_schedule, train, sample, reference\n"
    generators = f"from sunflow.generators import {', '.join(LEARNING)}"
    subprocess.run([sys.executable, "-c", refuse + stages + generators], check=True)


def test_only_controls_import_chemistry_among_generators():
    """At run time by themselves and by what they import: their module, and the modules of no other kind."""
    for path in (PACKAGE / "generators").glob("*.py"):
        imported = {name.partition(".")[0] for name in modules_imported(path)} & set(CHEMISTRY)
        assert not imported or (path.stem in MODELS and path.stem not in LEARNING), f"{path.name} imports {imported}"
