"""Files are what they should be, wherever they come from."""

import gzip
import hashlib
import http.server
import re
import threading
from pathlib import Path

import pytest

from sunflow.crystals import remote_files
from sunflow.crystals.remote_files import FILES, RemoteFile
from sunflow.stages.command import StageError
from sunflow.stages.download import download

DATA = Path(__file__).parents[2].parent / "shared/data"
CONTENT = b"material_id,cif\nmp-1,data_x\n" * 2000


def blob(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Server:
    """Answers every request with the next of its answers (status, content, promised length); the last one stays."""

    def __init__(self):
        self.answers = []
        self.requests = 0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, content, length = server.answers[min(server.requests, len(server.answers) - 1)]
                server.requests += 1
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/data/mine/train.csv"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, content, status=200, length=None):
        self.answers.append((status, content, length))


@pytest.fixture
def server(monkeypatch):
    running = Server()
    monkeypatch.setattr(remote_files.time, "sleep", lambda seconds: None)
    monkeypatch.setitem(FILES, "mine/train", RemoteFile(running.url, "mine/train.csv", blob(CONTENT), "Or do without."))
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def fetched(tmp_path):
    """Call the stage in a fresh folder; its outcome is the output's content."""

    def fetch(mirror=""):
        output = tmp_path / "resources" / "train.csv"
        download("mine/train", str(mirror), str(tmp_path / "cache"), output)
        return output.read_bytes()

    return fetch


def leftovers(tmp_path):
    return [path.name for path in tmp_path.rglob("*") if path.is_file()]


def test_a_good_file_is_kept_in_the_cache(server, fetched, tmp_path):
    server.answer(CONTENT, length=len(CONTENT))
    assert fetched() == CONTENT
    assert (tmp_path / "cache/mine/train.csv").read_bytes() == CONTENT
    assert fetched() == CONTENT
    assert server.requests == 1
    assert leftovers(tmp_path) == ["train.csv", "train.csv"]


def test_a_server_in_trouble_is_asked_again(server, fetched):
    server.answer(b"trouble", status=500)
    server.answer(CONTENT[:100], length=len(CONTENT))
    server.answer(CONTENT)
    assert fetched() == CONTENT
    assert server.requests == 3


@pytest.mark.parametrize(
    ("content", "length", "words"),
    [
        (CONTENT[:100], len(CONTENT), "IncompleteRead"),
        (CONTENT[:100], None, "has 100 bytes of other content"),
        (CONTENT.replace(b"mp-1", b"mp-2"), None, "other content"),
        (b"\n<!DOCTYPE html><html>Please log in</html>", None, "is an HTML page instead of data"),
        (b"<html>moved</html>", None, "is an HTML page instead of data"),
        (b"", None, "has 0 bytes"),
    ],
)
def test_a_bad_file_is_not_kept(server, fetched, tmp_path, content, length, words):
    server.answer(content, length=length)
    with pytest.raises(StageError, match=words) as caught:
        fetched()
    message = str(caught.value)
    for helpful in (server.url, blob(CONTENT), "<folder>/mine/train.csv", "SUNFLOW_MIRROR", "Or do without."):
        assert helpful in message
    assert leftovers(tmp_path) == []
    assert server.requests == remote_files.TRIES


def test_a_missing_file(server, fetched):
    server.answer(b"", status=404)
    with pytest.raises(StageError, match="404"):
        fetched()


def test_without_network(server, fetched, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(StageError, match=r"could not download .*SUNFLOW_MIRROR"):
        fetched()
    assert leftovers(tmp_path) == []


def test_waiting_for_nobody_takes_less_than_a_minute():
    waits = sum(2**attempt for attempt in range(remote_files.TRIES - 1))
    assert remote_files.TRIES * remote_files.SECONDS_TO_CONNECT + waits < 60


def test_a_spoilt_file_in_the_cache_is_replaced(server, fetched, tmp_path):
    server.answer(CONTENT)
    cached = tmp_path / "cache/mine/train.csv"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT[:50])
    assert fetched() == CONTENT
    assert cached.read_bytes() == CONTENT


@pytest.mark.parametrize("packed", [False, True])
def test_the_mirror_comes_first(server, fetched, tmp_path, packed):
    mirrored = tmp_path / "mirror/mine/train.csv"
    mirrored.parent.mkdir(parents=True)
    if packed:
        mirrored.with_name("train.csv.gz").write_bytes(gzip.compress(CONTENT, mtime=0))
    else:
        mirrored.write_bytes(CONTENT)
    assert fetched(tmp_path / "mirror") == CONTENT
    assert server.requests == 0


def test_what_the_mirror_has_not_is_downloaded(server, fetched, tmp_path):
    server.answer(CONTENT)
    (tmp_path / "mirror").mkdir()
    assert fetched(tmp_path / "mirror") == CONTENT


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train.csv", CONTENT[1:], "train.csv is not the official file .*source: files"),
        ("train.csv.gz", gzip.compress(CONTENT[1:], mtime=0), "train.csv.gz is not the official file .*source: files"),
        ("train.csv.gz", CONTENT, "train.csv.gz cannot be read"),
        ("train.csv.gz", gzip.compress(CONTENT, mtime=0)[:60], "train.csv.gz cannot be read"),
    ],
)
def test_another_file_in_the_mirror_is_not_taken_for_the_official_one(server, fetched, tmp_path, name, content, words):
    mirrored = tmp_path / "mirror/mine" / name
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(content)
    with pytest.raises(StageError, match=words):
        fetched(tmp_path / "mirror")
    assert server.requests == 0


def test_a_mirror_that_is_not_there(server, fetched, tmp_path):
    with pytest.raises(StageError, match="nowhere is not a folder"):
        fetched(tmp_path / "nowhere")


def test_an_unknown_file(tmp_path):
    with pytest.raises(StageError, match=r"mp21/train.*mp20/train"):
        download("mp21/train", "", str(tmp_path), tmp_path / "out.csv")


def test_known_identities():
    """A git blob and an MD5 that anyone can check with git and md5sum."""
    assert RemoteFile("", "", "ce013625030ba8dba906f756967f9e9ca394464a").identifies(b"hello\n")
    assert RemoteFile("", "", "b1946ac92492d2347c6235b4d2611184").identifies(b"hello\n")
    assert not RemoteFile("", "", "b1946ac92492d2347c6235b4d2611184").identifies(b"hello")


def test_addresses_are_pinned():
    assert len({file.url for file in FILES.values()}) == len({file.digest for file in FILES.values()}) == len(FILES)
    for name, file in FILES.items():
        assert re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{40}", file.digest)
        assert re.search(r"/[0-9a-f]{40}/data/" if not name.startswith("hull/") else r"figshare\.com/.*/\d+$", file.url)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("file", ["perov5/val", "perov5/test", "carbon24/val", "carbon24/test", "hull/elements"])
def test_official_files_of_the_mirror(tmp_path, file):
    download(file, str(DATA), str(tmp_path / "cache"), tmp_path / "out")
    content = (tmp_path / "out").read_bytes()
    assert content.startswith(b"\x1f\x8b" if file == "hull/elements" else b",material_id,cif")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_saved_anew_is_not_official(tmp_path):
    with pytest.raises(StageError, match=r"val\.csv\.gz is not the official file"):
        download("mp20/val", str(DATA), str(tmp_path / "cache"), tmp_path / "out")
