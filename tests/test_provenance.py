"""The fingerprint follows the meaning of code and nothing else."""

import pytest

from sunflow import provenance
from sunflow.provenance import code_fingerprint, file_hash, stamp

MODULES = {
    "__init__.py": '"""A package."""\n',
    "stage.py": "from sunflow.middle import double\ndef stage():\n    import sunflow.lazy as lazy\n    double(lazy)\n",
    "middle.py": "import math\n\ndef double(x):\n    return 2 * x\n",
    "lazy.py": "late = 1\n",
    "unused.py": "nothing = 0\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "sunflow"
    folder.mkdir()
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(provenance, "SOURCE", tmp_path)
    yield folder
    forget()


def forget():
    for cached in (provenance._tree, provenance._imports, provenance._meaning):
        cached.cache_clear()


def fingerprint():
    forget()
    return code_fingerprint("sunflow.stage")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("middle.py", "import math\n# a comment\n\n\ndef double(x):\n    return 2*x\n"),
        ("middle.py", 'import math\n\ndef double(x):\n    """Twice x."""\n    return 2 * x\n'),
        ("unused.py", "nothing = 1\n"),
    ],
)
def test_meaningless_changes_do_not_count(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("middle.py", "def double(x):\n    return x + x\n"),
        ("lazy.py", "late = 2\n"),
        ("stage.py", "from sunflow.middle import double\n\ndef stage():\n    return double(1)\n"),
    ],
)
def test_changes_of_meaning_count(package, file, text):
    before = fingerprint()
    (package / file).write_text(text)
    assert fingerprint() != before


def test_a_string_that_is_no_docstring_counts(package):
    (package / "middle.py").write_text('def double(x):\n    return "2"\n')
    before = fingerprint()
    (package / "middle.py").write_text('def double(x):\n    return "3"\n')
    assert fingerprint() != before


def test_unknown_module(package):
    with pytest.raises(ModuleNotFoundError, match=r"sunflow\.nowhere"):
        code_fingerprint("sunflow.nowhere")


def test_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert stamp({"a": 1, "b": 2}) == stamp({"b": 2, "a": 1})
    assert stamp({"a": 1, "b": 2}) != stamp({"a": 2, "b": 1})
