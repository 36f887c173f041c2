"""Hashes that say what a result was made from: code by its meaning, files by their content."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent.parent


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamp(*parts: Any) -> str:
    """One hash over plain values (settings, fingerprints, file hashes)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def code_fingerprint(*modules: str) -> str:
    """A hash of the meaning of these modules and of every module of this package that they import.

    Comments, docstrings and layout do not count. Imports inside functions do; a module named only at run time (a
    generator by its kind) does not, and must be given as an argument.
    """
    closure = sorted(_import_closure(modules))
    return stamp([(module, _meaning(module)) for module in closure])[:16]


def _import_closure(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_imports(module))
    return found


def _path(module: str) -> Path | None:
    base = SOURCE.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no module {module} below {SOURCE}")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> list[str]:
    package = __name__.partition(".")[0]
    names = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.partition(".")[0] == package and _path(name)]


@cache
def _meaning(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
