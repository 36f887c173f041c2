"""What all pages share: how templates are found, and the filters in them."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from sunflow.report import text

FILTERS = (
    text.percent,
    text.integer,
    text.duration,
    text.energy,
    text.error,
    text.formula,
    text.space_group,
    text.words,
    text.is_missing,
)


def environment() -> Environment:
    """Templates of this package; what they are given is escaped, and nothing that they name may be missing."""
    shared = Environment(
        loader=PackageLoader("sunflow.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = {function.__name__: function for function in FILTERS}
    shared.filters |= functions
    shared.globals |= functions
    return shared
