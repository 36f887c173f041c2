"""How numbers, formulas and space groups read on the page; everything that comes from a file is escaped."""

import math
import re
from typing import Any

from markupsafe import Markup, escape

NONE = "–"
_NARROW_SPACE = "\u202f"


def is_missing(value: Any) -> bool:
    """Whether a cell of a table is empty."""
    return value is None or value != value or value == ""


def percent(rate: Any) -> str:
    """A fraction as a percentage with one decimal, two where it is small."""
    if is_missing(rate):
        return NONE
    value = 100 * float(rate)
    digits = 0 if value in (0, 100) else 1 if value >= 1 else 2
    return f"{value:.{digits}f}{_NARROW_SPACE}%"


def hundredths(rate: Any) -> str:
    """A fraction as a percentage with two decimals, as papers print it; exactly none and all have none."""
    if is_missing(rate):
        return NONE
    value = 100 * float(rate)
    return f"{value:.{0 if value in (0, 100) else 2}f}{_NARROW_SPACE}%"


def distance(value: Any) -> str:
    """A distance with four decimals, as papers print it."""
    return NONE if is_missing(value) or not math.isfinite(value) else f"{float(value):.4f}"


def integer(value: Any) -> str:
    """A count with narrow spaces between the thousands."""
    return NONE if is_missing(value) else f"{int(value):,}".replace(",", _NARROW_SPACE)


def duration(seconds: Any) -> str:
    """A time in the units that fit it."""
    if is_missing(seconds):
        return NONE
    seconds = float(seconds)
    if seconds < 60:
        digits = max(0, 1 - math.floor(math.log10(seconds))) if seconds > 0 else 0
        return f"{seconds:.{min(digits, 4)}f}{_NARROW_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{number}{_NARROW_SPACE}{unit}" for number, unit in parts if number)


def energy(value: Any) -> str:
    """An energy above hull in eV/atom to the 0.1 meV that verdicts see, signed, with a true minus."""
    return NONE if is_missing(value) else f"{round(float(value), 4) or 0.0:+.4f}".replace("-", "−")


def error(value: Any) -> str:
    """A mean absolute error in eV/atom, to 0.1 meV."""
    return NONE if is_missing(value) else f"{float(value):.4f}"


def formula(text: str) -> Markup:
    """A chemical formula with its numbers as subscripts."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return Markup("").join(Markup("<sub>{}</sub>").format(part) if part[:1].isdigit() else part for part in parts)


def space_group(number: Any) -> Markup:
    """The Hermann–Mauguin symbol of an international number; a dash where there is none."""
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    if is_missing(number) or not 1 <= int(number) <= 230:
        return Markup(NONE)
    symbol = str(escape(sg_symbol_from_int_number(int(number))))
    symbol = re.sub(r"_(\d)", r"<sub>\1</sub>", symbol)
    symbol = re.sub(r"-(\d)", r'<span class="overbar">\1</span>', symbol)
    return Markup(re.sub(r"([A-Za-z])(?![^<]*>)", r"<i>\1</i>", symbol))


def words(name: str) -> str:
    """A column's name as words."""
    return name.replace("_", " ")
