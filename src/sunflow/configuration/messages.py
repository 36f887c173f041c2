"""What is wrong with a configuration, in sentences."""

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sunflow.configuration.values import Section, nearest

Path = Sequence[int | str]


class ConfigError(Exception):
    """Everything that is wrong with a configuration; shown as it is, without a traceback."""


def config_error(error: ValidationError, known_keys: Callable[[Path], list[str]], prefix: Path = ()) -> ConfigError:
    """All problems in one message; `known_keys` gives the keys of the section at a path."""
    lines = sorted(
        {_sentence({**problem, "loc": (*prefix, *problem["loc"])}, known_keys) for problem in error.errors()}
    )
    count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
    return ConfigError("\n  ".join([f"the configuration has {count}:", *lines]))


def _sentence(problem: ErrorDetails, known_keys: Callable[[Path], list[str]]) -> str:
    """Key path, what was given, what is allowed, nearest valid name."""
    path = [part for part in problem["loc"] if part != "[key]"]
    given = _shortened(problem["input"])
    if problem["type"] == "extra_forbidden":
        allowed = known_keys(path[:-1])
        text = f"unknown key, with the value {given}; allowed: {', '.join(allowed)}{nearest(path[-1], allowed)}"
    elif problem["type"] == "missing":
        text = "missing"
        if alike := [key for key in problem["input"] if nearest(path[-1], [key])]:
            text += f"; did you write {alike[0]!r}?"
    elif problem["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        text = f"{given} is given; allowed: {', '.join(allowed)}{nearest(problem['input'], allowed)}"
    elif problem["type"] in ("model_type", "dict_type"):
        text = f"{given} is given; must be a mapping, `key: value`"
    else:
        text = f"{given} is given; {problem['msg'].replace('Input should', 'must')}"
    return f"{'.'.join(map(str, path))}: {text}"


def _shortened(value: Any) -> str:
    text = "nothing (null)" if value is None else repr(value)
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
