"""Values that a configuration may hold, and how a wrong one is described."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")
NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
RESERVED = {
    "dataset": ("accuracy_schedules", "hull", "reference"),
    "generator": ("crystals", "hull", "reference"),
    "relaxer": ("archive", "reference", "training_state"),
}
"""Names that the folders of results give to something else."""


class Section(BaseModel):
    """A mapping of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def nearest(given: object, allowed: Iterable[str]) -> str:
    """A question after the nearest allowed name, or nothing if none is near."""
    found = difflib.get_close_matches(str(given), list(allowed), n=1, cutoff=0.4)
    return f"; did you mean {found[0]!r}?" if found else ""


def wrong(sentence: str) -> PydanticCustomError:
    """An error that says what is allowed."""
    return PydanticCustomError("sunflow", "{sentence}", {"sentence": sentence})


def wrong_keys(section: str, problems: Sequence[tuple[str, Any, str]]) -> ValidationError:
    """One error for several (key, value, what is allowed) of a section."""
    details = [InitErrorDetails(type=wrong(text), loc=(key,), input=value) for key, value, text in problems]
    return ValidationError.from_exception_data(section, details)


def not_among(given: object, what: str, allowed: Iterable[str]) -> PydanticCustomError:
    """An error for a name that does not exist."""
    allowed = list(allowed)
    return wrong(f"unknown {what}; allowed: {', '.join(allowed)}{nearest(given, allowed)}")


def _new_name(what: str) -> AfterValidator:
    def check(name: str) -> str:
        if not re.match(NAME, name):
            raise wrong(f"a {what}'s name is made of letters, digits and _, and begins with a letter")
        if name in RESERVED[what]:
            raise wrong(f"the name {name!r} is taken by Sunflow itself: choose another for this {what}")
        return name

    return AfterValidator(check)


def _known_name(what: str) -> AfterValidator:
    def check(name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get(what)
        if known is not None and name not in known:
            raise not_among(name, what, known)
        return name

    return AfterValidator(check)


def _number(value: object) -> object:
    """YAML reads `1e-3` as text, and `yes` as a truth value that Python counts as 1."""
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
NewDataset = Annotated[str, _new_name("dataset")]
NewGenerator = Annotated[str, _new_name("generator")]
NewRelaxer = Annotated[str, _new_name("relaxer")]
KnownDataset = Annotated[str, _known_name("dataset")]
KnownGenerator = Annotated[str, _known_name("generator")]
KnownRelaxer = Annotated[str, _known_name("relaxer")]

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Natural = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Decay = Annotated[Number, Field(ge=0, lt=1)]
