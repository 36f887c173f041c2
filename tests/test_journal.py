import json

import pytest

from sunflow.journal import Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "journal.jsonl"


def write(path, *records, stamp="one"):
    with Journal(path, stamp) as journal:
        for record in records:
            journal.append(record)


def read(path, stamp="one"):
    with Journal(path, stamp) as journal:
        return list(journal.records)


def test_work_is_continued(path):
    write(path, {"a": 1}, {"a": 2})
    write(path, {"a": 3})
    assert read(path) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_floats_survive_exactly(path):
    values = [0.1, 1 / 3, 1e-300, float("inf")]
    write(path, {"values": values})
    assert read(path)[0]["values"] == values


def test_another_piece_of_work_starts_anew(path):
    write(path, {"a": 1})
    assert read(path, stamp="two") == []
    assert read(path) == []


def test_every_record_is_on_the_disk_at_once(path):
    journal = Journal(path, "one")
    journal.append({"a": 1})
    assert read_lines(path) == [{"stamp": "one"}, {"a": 1}]
    journal.remove()


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_wherever_a_kill_cuts_the_file_only_whole_records_are_kept(path):
    records = [{"a": index, "text": "Å" * index} for index in range(4)]
    write(path, *records)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found = read(path)
        assert found == records[: len(found)]
        kept = whole[:length].count(b"\n") - 1
        assert len(found) == max(kept, 0)


def test_after_a_cut_new_records_follow_the_whole_ones(path):
    write(path, {"a": 1}, {"a": 2})
    path.write_bytes(path.read_bytes()[:-4])
    write(path, {"a": 5})
    assert read(path) == [{"a": 1}, {"a": 5}]


def test_rubbish_in_the_middle_ends_what_is_believed(path):
    write(path, {"a": 1}, {"a": 2})
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], b"\x00\xff\x00", *lines[2:]]))
    assert read(path) == [{"a": 1}]


def test_a_finished_journal_is_gone(path):
    with Journal(path, "one") as journal:
        journal.append({"a": 1})
        journal.remove()
    assert not path.exists()
