"""Values that a configuration may hold, and how a wrong one is described."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")
NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
RESERVED = (
    "accuracy_schedules",
    "archive",
    "asymmetric_units",
    "crystals",
    "hull",
    "properties",
    "reference",
    "training_state",
)
"""Names that the folders of results give to something else."""


class Section(BaseModel):
    """A mapping of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def nearest(given: object, known: Iterable[str]) -> str:
    """What is allowed, after the nearest of it if any is near."""
    known = list(known)
    near = difflib.get_close_matches(str(given), known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {', '.join(known)}"


def wrong(sentence: str) -> PydanticCustomError:
    """An error that says what is allowed."""
    return PydanticCustomError("sunflow", "{sentence}", {"sentence": sentence})


def wrong_keys(section: str, problems: Sequence[tuple[str | tuple[str, ...], Any, str]]) -> ValidationError:
    """One error for several (key or path, value, what is allowed) of a section."""
    details = [
        InitErrorDetails(type=wrong(text), loc=(key,) if isinstance(key, str) else key, input=value)
        for key, value, text in problems
    ]
    return ValidationError.from_exception_data(section, details)


def _new(name: str) -> str:
    if not re.match(NAME, name):
        raise wrong("a name is made of letters, digits and _, and begins with a letter")
    if name in RESERVED:
        raise wrong("this name is reserved; choose another")
    return name


def _known_name(what: str) -> AfterValidator:
    def check(name: str, info: Any) -> str:
        known = (info.context or {}).get(what)
        if known is not None and name not in known:
            raise wrong(f"unknown {what}; {nearest(name, known)}")
        return name

    return AfterValidator(check)


def _number(value: object) -> object:
    """YAML reads `1e-3` as text, and `yes` as a truth value, which Python counts as 1."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if isinstance(value, bool):
        raise wrong("must be a number")
    return value


def _different(names: list[T]) -> list[T]:
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise wrong(f"must not name {repeated[0]!r} twice")
    return names


Names = Annotated[list[T], Field(min_length=1), AfterValidator(_different)]
Name = Annotated[str, AfterValidator(_new)]
KnownDataset = Annotated[str, _known_name("dataset")]
KnownGenerator = Annotated[str, _known_name("generator")]
KnownRelaxer = Annotated[str, _known_name("relaxer")]

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Steps = Annotated[int, Field(strict=True, ge=2)]
Natural = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Decay = Annotated[Number, Field(ge=0, lt=1)]
