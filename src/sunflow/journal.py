"""A journal of finished pieces of work, so that a killed stage continues where it stopped."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any


class Journal:
    """An append-only file of JSON lines that belongs to exactly one piece of work, named by its `stamp`.

    The first line holds the stamp. A journal with another stamp (other inputs, settings or code) is started anew; a
    last line cut short by a kill is dropped. Floats survive the round trip exactly.
    """

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        if lines and _parse(lines[0]) == {"stamp": stamp}:
            for line in lines[1:]:
                if (record := _parse(line)) is None:
                    break
                self.records.append(record)
        self._rewrite(stamp)

    def _rewrite(self, stamp: str) -> None:
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in [{"stamp": stamp}, *self.records]))
        temporary.replace(self.path)
        self._stream = self.path.open("a")

    def append(self, record: dict[str, Any]) -> None:
        """Add one finished piece and see it onto the disk."""
        self.records.append(record)
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def remove(self) -> None:
        """Delete the journal, once the stage's output is written."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except ValueError:
        return None
