"""Resumable training states on disk: the latest and the one before it."""

import logging
import pickle
import shutil
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from sunflow.atomic import atomic_path

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_STATES = 60.0
MAX_SHARE_OF_TIME = 0.05


class TrainingStates:
    """A folder with the last two states of one training, named by its `stamp` (settings, data, code).

    The folder is no declared output of the workflow, which deletes those before a rerun.
    """

    def __init__(self, folder: Path, stamp: str) -> None:
        self.folder = folder
        self.stamp = stamp
        self.latest = folder / "latest.pt"
        self.previous = folder / "previous.pt"
        self._seconds_between = SECONDS_BETWEEN_STATES
        self._saved_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last state is old enough to write another: a minute, or more where writing takes long."""
        return time.monotonic() - self._saved_at >= self._seconds_between

    def save(self, state: dict[str, Any]) -> None:
        """Write a state; the latest becomes the previous one."""
        start = time.monotonic()
        with atomic_path(self.latest) as temporary:
            torch.save({"stamp": self.stamp, "state": state}, temporary)
            if self.latest.exists():
                self.latest.replace(self.previous)
        self._saved_at = time.monotonic()
        self._seconds_between = max(SECONDS_BETWEEN_STATES, (self._saved_at - start) / MAX_SHARE_OF_TIME)

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole and belongs to this training, or None."""
        for path in (self.latest, self.previous):
            if not path.exists():
                continue
            try:
                content = _read(path)
            except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, pickle.UnpicklingError) as error:
                logger.warning("%s is damaged and not used: %s", path, error)
                continue
            if content["stamp"] == self.stamp:
                return content["state"]
            logger.info("%s belongs to other settings, data or code and is not used", path)
        return None

    def remove(self) -> None:
        """Delete the folder, once the weights are written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} has a wrong checksum")
    return torch.load(path, map_location="cpu", weights_only=True)
