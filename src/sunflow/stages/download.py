"""Fetch one public file, verified."""

from pathlib import Path

import pooch

from sunflow.atomic import atomic_path
from sunflow.crystals.remote_files import FILES, DownloadError, fetch
from sunflow.stages.command import StageError, run


def download(file: str, mirror: str, cache: str, output: Path) -> None:
    """Write the file that `FILES` calls `file`; `mirror` and `cache` are folders, or empty."""
    if file not in FILES:
        raise StageError(f"no file is called {file!r}; known are {', '.join(FILES)}")
    folder = Path(cache) if cache else Path(pooch.os_cache("sunflow"))
    try:
        content = fetch(FILES[file], Path(mirror) if mirror else None, folder)
    except DownloadError as error:
        raise StageError(str(error)) from error
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)


if __name__ == "__main__":
    run(download)
