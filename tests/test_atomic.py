import json
import subprocess
import sys

import pytest

from sunflow.atomic import OutputLockedError, atomic_path, output_lock, write_json, write_text


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(TypeError):
        write_json(path, object())
    with pytest.raises(OSError), atomic_path(path) as temporary:
        temporary.write_text("new")
        raise OSError("no space left")
    assert path.read_text() == "old"


def test_the_temporary_name_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "file.csv.gz") as temporary:
        assert temporary.suffix == ".gz" and temporary.parent == tmp_path
        temporary.touch()


def test_text_is_utf8(tmp_path):
    write_json(tmp_path / "a.json", {"unit": "eV/Å"})
    assert "Å" in (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"unit": "eV/Å"}


HOLD = "import sys, time; from pathlib import Path; from sunflow.atomic import output_lock\n"
HOLD += "with output_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"


def test_another_process_cannot_write_the_same_output(tmp_path):
    path = tmp_path / "out.csv"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputLockedError, match=rf"out\.csv is being written by process {holder.pid}"):
            with output_lock(path):
                pass
        with output_lock(tmp_path / "other.csv"):
            pass
    finally:
        holder.kill()
        holder.wait()
    with output_lock(path):
        pass
