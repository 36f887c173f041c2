"""A stage's command line, made from the signature of its function.

Every argument of the function is an option of the command. Arguments whose names begin with `output` are what the
stage writes: they are locked while it runs, so that a job left over from a killed workflow and its successor never
write at once.
"""

import argparse
import inspect
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any

from sunflow.atomic import OutputLockedError, output_lock

logger = logging.getLogger(__name__)


class StageError(Exception):
    """Something the user can mend; shown as one sentence, without a traceback."""


def run(stage: Callable[..., None], writes: bool = True) -> None:
    """Parse the command line into the arguments of `stage` and call it, recorded, locked and logged.

    Args:
        stage: What to do.
        writes: Of several processes that do it together, whether this is the one that writes and locks the outputs.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    arguments = vars(_parser(stage).parse_args())
    start = time.monotonic()
    try:
        with ExitStack() as locks:
            for path in _output_paths(arguments) if writes else ():
                locks.enter_context(output_lock(path))
            stage(**arguments)
    except (StageError, OutputLockedError) as error:
        sys.exit(f"{stage.__name__} failed: {error}")
    logger.info("%s done in %.1f s", stage.__name__, time.monotonic() - start)


def _output_paths(arguments: dict[str, Any]) -> list[Path]:
    """The paths among the arguments whose names begin with `output`."""
    return [value for name, value in arguments.items() if name.startswith("output") and isinstance(value, Path)]


def _parser(stage: Callable[..., None]) -> argparse.ArgumentParser:
    """One option per argument: Path, str, int and float as they are, `list[Path]` as many, `dict` as JSON.

    The option of an argument `Path | None` is a path.
    """
    described = argparse.ArgumentParser(description=inspect.getdoc(stage))
    for name, parameter in inspect.signature(stage).parameters.items():
        kind = parameter.annotation
        kind = kind.__args__[0] if isinstance(kind, UnionType) else kind
        required = parameter.default is inspect.Parameter.empty
        many = isinstance(kind, GenericAlias) and kind.__origin__ is list
        convert = kind.__args__[0] if many else json.loads if kind is dict or isinstance(kind, GenericAlias) else kind
        described.add_argument(
            f"--{name.replace('_', '-')}",
            type=convert,
            required=required,
            default=None if required else parameter.default,
            nargs="*" if many else None,
            help=f"{'JSON' if convert is json.loads else getattr(convert, '__name__', convert)}",
        )
    return described
