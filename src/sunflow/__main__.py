"""Commands for one's own crystals, outside of the workflow: `python -m sunflow <command>`."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from sunflow.atomic import OutputLockedError

COMMANDS = {
    "evaluate": ("sunflow.stages.evaluate_command", "judge crystals, whoever made them"),
    "lemat": ("sunflow.stages.lemat_command", "write crystals as the benchmark LeMat-GenBench takes them"),
    "predict": ("sunflow.stages.predict_command", "predict the structures of compositions"),
    "relax": ("sunflow.stages.relax_command", "relax crystals with a machine-learned potential"),
}
"""Name → module with `parser(program)` and `run(arguments)`, which is imported when it is called, and what it does."""
INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> None:
    """Call the command that these words name; a mistake of the user ends it with one sentence."""
    described = argparse.ArgumentParser(
        "python -m sunflow",
        description=__doc__,
        epilog="\n".join(f"  {name:10}{what}" for name, (_, what) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument("command", choices=COMMANDS)
    described.add_argument("options", nargs=argparse.REMAINDER, help="python -m sunflow <command> --help lists them")
    chosen = described.parse_args(words)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    _call(chosen.command, chosen.options)


def _call(name: str, options: Sequence[str]) -> None:
    command = importlib.import_module(COMMANDS[name][0])
    from sunflow.stages.command import StageError

    arguments = command.parser(f"python -m sunflow {name}").parse_args(options)
    try:
        command.run(arguments)
    except (StageError, OutputLockedError, OSError) as error:
        sys.exit(f"{name} failed: {error}")
    except KeyboardInterrupt:
        print(f"{name} interrupted: the same command continues", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
