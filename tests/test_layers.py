"""Imports point down only, and training and sampling need no chemistry package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

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
CHEMISTRY += ("pydantic", "yaml", "scipy", "pooch", "plotly", "psutil")


def rooms_imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sunflow."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("sunflow."))


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


@pytest.mark.parametrize("stage", ["accuracy_schedule", "train", "sample", "reference"])
def test_learning_needs_no_chemistry(stage):
    refuse = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in CHEMISTRY)
    names = f"from sunflow.generators import crysbfn\nimport sunflow.stages.{stage}"
    subprocess.run([sys.executable, "-c", refuse + names], check=True)
