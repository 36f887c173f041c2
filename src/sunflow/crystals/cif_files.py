"""CIF files on their own, in folders and in zip archives, one crystal each; nothing is unpacked onto the disk."""

import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.sources import Entry

UNREADABLE_CIF = (
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
MAX_BYTES = 50_000_000
"""No CIF of one crystal is so long; a small archive can hold one that fills the memory."""


def entry_of_file(path: Path) -> list[Entry]:
    """The one entry of a CIF, named after its file."""
    return [_entry(path.name, partial(_file_content, path))]


def entries_of_folder(path: Path) -> list[Entry]:
    """One entry for every CIF at any depth, in the order of their paths; what is hidden is left out."""
    found = [file for file in path.rglob("*") if file.is_file() or not file.exists()]
    files = {file.relative_to(path).as_posix(): file for file in found}
    return [_entry(name, partial(_file_content, files[name])) for name in _cifs(files)]


def entries_of_zip(path: Path) -> list[Entry]:
    """One entry for every CIF at any depth, in the order of their paths; what is hidden is left out.

    Raises:
        ValueError: It is no zip archive, or a member's path leads out of it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
            if outside := [name for name in members if _leads_out(name)]:
                raise ValueError(f"{path} is not read, because its member {outside[0]!r} leads out of the archive")
            return [_entry(name, partial(_member_content, archive, members[name])) for name in _cifs(members)]
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no zip archive, or a damaged one: {error}") from error


def _entry(name: str, read: Callable[[], bytes]) -> Entry:
    """The text of a CIF, or a failed crystal that says why it cannot be read."""
    crystal_id = PurePosixPath(name).stem
    content: str | Crystal
    try:
        content = read().decode(errors="replace")
    except UNREADABLE_CIF as error:
        content = Crystal.failure(crystal_id, f"unreadable: {getattr(error, 'strerror', None) or error}")
    return Entry(crystal_id, content, {"file": one_line(name)})


def _file_content(path: Path) -> bytes:
    _check_size(path.stat().st_size)
    return path.read_bytes()


def _member_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The content of a member; no more bytes are unpacked than it claims to have."""
    _check_size(member.file_size)
    return archive.read(member)


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise OSError(f"{num_bytes / 1e6:.0f} MB, more than {MAX_BYTES / 1e6:.0f}")


def _cifs(names: Iterable[str]) -> list[str]:
    return sorted(filter(_is_cif, names), key=lambda name: PurePosixPath(name).parts)


def one_line(text: str) -> str:
    """The text without line breaks and without what UTF-8 cannot hold, as names in files must be."""
    return " ".join(text.encode(errors="replace").decode().split())


def _is_cif(name: str) -> bool:
    """Whether this is a CIF, and neither hidden nor in a folder that is (`.ipynb_checkpoints`, `__MACOSX`)."""
    parts = PurePosixPath(name).parts
    return parts[-1].lower().endswith(".cif") and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _leads_out(name: str) -> bool:
    windows = PureWindowsPath(name)
    return bool(windows.anchor) or os.pardir in windows.parts
