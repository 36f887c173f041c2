from importlib.metadata import version

import pytest

from sunflow.crystals.space_groups import SpaceGroups, read_space_groups, write_space_groups
from sunflow.provenance import code_fingerprint


@pytest.fixture(scope="session")
def space_groups_file(tmp_path_factory):
    """The tables of the space groups, made once for all processes and runs of the tests with this code."""
    made_by = f"{version('pyxtal')}_{code_fingerprint('sunflow.crystals.international_tables')}"
    path = tmp_path_factory.getbasetemp().parent / f"space_groups_{made_by}.safetensors"
    if not path.exists():
        from sunflow.crystals.international_tables import international_tables

        write_space_groups(path, international_tables())
    return path


@pytest.fixture
def space_groups(space_groups_file) -> SpaceGroups:
    return read_space_groups(space_groups_file)
