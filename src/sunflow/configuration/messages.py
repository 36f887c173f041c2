"""What is wrong with a configuration, in sentences."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sunflow.configuration.values import Section, nearest

Path = Sequence[int | str]


class ConfigError(ValueError):
    """Everything that is wrong with a configuration; shown as it is, without a traceback."""


def config_error(error: ValidationError, known_keys: Callable[[Path], list[str]], prefix: Path = ()) -> ConfigError:
    """All problems in one message; `known_keys` gives the keys of the section at a path."""
    lines = sorted(
        {_sentence({**problem, "loc": (*prefix, *problem["loc"])}, known_keys) for problem in error.errors()}
    )
    return ConfigError("\n  ".join([f"config.yaml: {len(lines)} to mend:", *lines]))


def _sentence(problem: ErrorDetails, known_keys: Callable[[Path], list[str]]) -> str:
    """Key path, what was given, the nearest valid name, what is allowed."""
    path = [part for part in problem["loc"] if part != "[key]"]
    kind, given = problem["type"], f"given {_shortened(problem['input'])}; "
    if kind == "extra_forbidden":
        given, allowed = "unknown key; ", nearest(path[-1], known_keys(path[:-1]))
    elif kind == "missing":
        given, allowed = "", "missing"
    elif kind == "literal_error":
        allowed = nearest(problem["input"], re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    elif kind in ("model_type", "dict_type"):
        allowed = "must be a section (`key: value`)"
    else:
        allowed = problem["msg"].replace("Input should", "must")
    return f"{'.'.join(map(str, path)) or 'config.yaml'}: {given}{allowed}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def keys_at(section: type[Section], path: Path) -> list[str]:
    """The keys of the section that lies at `path` below `section`."""
    found = [section]
    for name in path:
        fields = [part.model_fields[str(name)] for part in found if name in part.model_fields]
        found = [part for field in fields for part in _sections(field.annotation)] or found
    return list(dict.fromkeys(key for part in found for key in part.model_fields))


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
