"""Public files by name: where they come from, and how to know that they are the right ones."""

import gzip
import hashlib
import logging
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from sunflow.atomic import atomic_path

logger = logging.getLogger(__name__)
CDVAE = "https://raw.githubusercontent.com/txie-93/cdvae/f857f598d6f6cca5dc1ea0582d228f12dcc2c2ea/data"
DIFFCSP = "https://raw.githubusercontent.com/jiaor17/DiffCSP/7121d159826efa2ba9500bf299250d96da37f146/data"
FIGSHARE = "https://figshare.com/ndownloader/files"
TRIES = 3
SECONDS_TO_CONNECT = 15


class DownloadError(Exception):
    """A file could not be had, or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """A public file.

    Attributes:
        url: Where it comes from.
        place: Its path in a mirror or cache folder.
        digest: Its identity: a git blob's SHA-1 (40 digits) or an MD5 (32 digits).
        alternative: What to do where it cannot be had, besides finding it.
    """

    url: str
    place: str
    digest: str
    alternative: str = ""

    def identifies(self, content: bytes) -> bool:
        """Whether `content` is this file."""
        if len(self.digest) == 32:
            return hashlib.md5(content, usedforsecurity=False).hexdigest() == self.digest
        blob = b"blob %d\0" % len(content) + content
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == self.digest

    @property
    def identity(self) -> str:
        """The digest with its kind, for people."""
        return f"{'MD5' if len(self.digest) == 32 else 'git blob'} {self.digest}"


def _splits(base: str, name: str, train: str, val: str, test: str) -> dict[str, RemoteFile]:
    digests = {"train": train, "val": val, "test": test}
    return {
        split: RemoteFile(f"{base}/{name}/{split}.csv", f"{name}/{split}.csv", digest)
        for split, digest in digests.items()
    }


_DATASETS = {
    "perov5": _splits(
        CDVAE,
        "perov_5",
        train="0769074b5d51d293b765c4371b8f55c468c9c9f2",
        val="4a2c8dde98347dd0e01fa83dcf3982c2abe98f9f",
        test="d3c5d5af4b27a2a139149f2bb73c8a3dba9d8ac1",
    ),
    "carbon24": _splits(
        CDVAE,
        "carbon_24",
        train="5e7ae970fbad8ddc46b6963e8cd6e425f11783a6",
        val="b3e29b927883642426ca1d9632d00359b412742b",
        test="9beca843fde489de1fe288b32f9e3ff710d42803",
    ),
    "mp20": _splits(
        CDVAE,
        "mp_20",
        train="b1c9d498565ac2fd8d075a51ff2ef5e51ba6c21f",
        val="7efe4d7ebeb4f460ceaad35e5326c42111d9c9a1",
        test="5dc643041df53f5ce4970a79930ad262b4f07acd",
    ),
    "mpts52": _splits(
        DIFFCSP,
        "mpts_52",
        train="28c53b0a0fd3f32fb8078aca8e5b484e372790c6",
        val="a377ba0ca7bee37ee69d9f50f8362eaa35d9f690",
        test="2e8af159618f63be346b6527f155514323964423",
    ),
}
_HULLS = {
    "materials_project": RemoteFile(
        f"{FIGSHARE}/52080797",
        "hull/2025-02-01-mp-energies.csv.gz",
        "7eb0c49fc169ba92783f2f6d0d19d741",
        "Or choose another hull for the dataset in config.yaml: dataset or self_consistent",
    ),
    "elements": RemoteFile(
        f"{FIGSHARE}/40387775",
        "hull/2023-02-07-mp-elemental-reference-entries.json.gz",
        "6e93b6f38d6e27d6c811d3cafb23a070",
        "Or choose another hull for the dataset in config.yaml: self_consistent",
    ),
}
FILES = {f"{name}/{split}": file for name, splits in _DATASETS.items() for split, file in splits.items()} | {
    f"hull/{name}": file for name, file in _HULLS.items()
}
"""Every file, as `dataset/split` or `hull/name`."""


def fetch(file: RemoteFile, mirror: Path | None, cache: Path) -> bytes:
    """The verified content of a file: from the mirror, else from the cache, else from the network into the cache.

    Raises:
        DownloadError: It is nowhere to be had, or a copy is not the official file.
    """
    if mirror and not mirror.is_dir():
        raise DownloadError(f"the mirror {mirror} is not a folder: mend mirror: in config.yaml or SUNFLOW_MIRROR")
    if mirror and (content := _of_mirror(file, mirror)) is not None:
        return content
    cached = cache / file.place
    if cached.exists() and file.identifies(kept := cached.read_bytes()):
        return kept
    return _of_network(file, cached)


def _of_mirror(file: RemoteFile, mirror: Path) -> bytes | None:
    copies = [path for path in (mirror / file.place, mirror / f"{file.place}.gz") if path.exists()]
    if not copies:
        return None
    path = copies[0]
    try:
        content = path.read_bytes() if path.name == Path(file.place).name else gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DownloadError(f"{path} cannot be read: {error}. Remove it from the mirror, or mend it") from error
    if not file.identifies(content):
        raise DownloadError(
            f"{path} is not the official file ({file.identity}). Remove it from the mirror to download that one, or use"
            " it as a dataset of your own (source: files) under a name of its own"
        )
    logger.info("using %s", path)
    return content


def _of_network(file: RemoteFile, cached: Path) -> bytes:
    """Download into the cache; what is not the official file is not kept."""
    for attempt in range(TRIES):
        try:
            return _download(file, cached)
        except (requests.RequestException, DownloadError) as error:
            problem = error
            logger.warning("attempt %d of %d for %s: %s", attempt + 1, TRIES, file.url, error)
            if attempt + 1 < TRIES:
                time.sleep(2**attempt)
    raise DownloadError(
        f"could not download {file.url}: {problem}. Fetch it on a computer with network ({file.identity}), put it at"
        f" <folder>/{file.place}, and name that folder as mirror: in config.yaml or in SUNFLOW_MIRROR."
        f" {file.alternative}".rstrip()
    )


def _download(file: RemoteFile, cached: Path) -> bytes:
    transport = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=SECONDS_TO_CONNECT)
    with atomic_path(cached) as temporary:
        transport(file.url, str(temporary), None)
        content = temporary.read_bytes()
        if not file.identifies(content):
            page = content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
            what = "is an HTML page instead of data" if page else f"has {len(content)} bytes of other content"
            raise DownloadError(f"the answer {what} (expected {file.identity})")
    return content
