import json
from itertools import groupby

import numpy as np
import pytest
import torch
from fake_potential import ARGON, EXPLODES, KILLS, REFUSES, dies_while_loading, load

from sunflow.crystals.crystal import Crystal
from sunflow.journal import Journal
from sunflow.relaxation import parallel
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import relax_all
from sunflow.workers import Died

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
LIMITS = Limits(max_force=0.001, trajectory_interval=4)


@pytest.fixture(autouse=True)
def groups_of_three_on_a_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(parallel, "CRYSTALS_ON_CPU", 3)


def in_this_process(prepare, items, num_processes):
    """Like `map_in_processes`, out of order; it only says of deadly items that they are."""
    function = prepare()
    for index, item in reversed(list(enumerate(items))):
        deadly = any((crystal.atomic_numbers == KILLS).any() for crystal in item)
        yield index, Died(7) if deadly else function(item)


@pytest.fixture
def without_processes(monkeypatch):
    monkeypatch.setattr(parallel, "map_in_processes", in_this_process)


def crystals(**poisons):
    """Argon crystals that need different numbers of steps; one atom of those named is of another kind."""
    return [
        Crystal(name, (5.0 + 0.1 * n) * np.eye(3), FCC, np.array([ARGON] * 3 + [poisons.get(name, ARGON)]))
        for n, name in enumerate("abcdefgh")
    ]


def relax(given, path, num_processes=1, stamp="stamp", load=load, limits=LIMITS):
    with Journal(path, stamp) as journal:
        return relax_all(given, load, limits, journal, num_processes)


def records(given):
    return [crystal.to_record() for crystal in given]


def finals(relaxed):
    return [crystal for crystal in relaxed if "frame_of" not in crystal.properties]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What becomes of the crystals in one process, and the journal of that."""
    path = tmp_path_factory.mktemp("undisturbed") / "journal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "CRYSTALS_ON_CPU", 3)
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        return relax(crystals(), path), path


def test_crystals_keep_their_order(undisturbed):
    relaxed, _ = undisturbed
    assert [crystal.crystal_id for crystal in finals(relaxed)] == list("abcdefgh")
    assert {crystal.status for crystal in relaxed} == {"ok"}
    assert len({crystal.properties["steps"] for crystal in finals(relaxed)}) > 2


def test_frames_come_before_their_crystal(undisturbed):
    relaxed, _ = undisturbed
    names = [str(crystal.properties.get("frame_of", crystal.crystal_id)) for crystal in relaxed]
    assert [name for name, _ in groupby(names)] == list("abcdefgh")
    for _, group in groupby(relaxed, lambda crystal: crystal.properties.get("frame_of", crystal.crystal_id)):
        *frames, last = group
        assert "frame_of" not in last.properties
        steps = [frame.properties["steps"] for frame in frames]
        assert steps == list(range(0, last.properties["steps"] + 1, 4))


def test_two_processes_give_the_same_results_to_the_last_bit(undisturbed, tmp_path):
    assert records(relax(crystals(), tmp_path / "journal", 2)) == records(undisturbed[0])


def test_this_process_gives_the_same_results_to_the_last_bit(undisturbed, tmp_path, without_processes):
    assert records(relax(crystals(), tmp_path / "journal")) == records(undisturbed[0])


def test_a_killed_run_continues_after_its_last_finished_group(undisturbed, tmp_path, without_processes):
    whole, path = undisturbed
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    cut = tmp_path / "cut"
    cut.write_text("\n".join(lines[:2]) + "\n" + lines[2][:400])
    assert records(relax(crystals(), cut)) == records(whole)
    ids = [each["crystal_id"] for line in cut.read_text().splitlines()[1:] for each in json.loads(line)["crystals"]]
    assert len(ids) == len(set(ids)) == len(whole)
    assert cut.read_text().splitlines()[:2] == lines[:2]


def test_a_complete_journal_needs_no_process_at_all(undisturbed, tmp_path):
    whole, path = undisturbed
    copied = tmp_path / "journal"
    copied.write_bytes(path.read_bytes())
    assert records(relax(crystals(), copied, load=dies_while_loading)) == records(whole)


def test_the_journal_of_other_work_is_of_no_use(undisturbed, tmp_path, without_processes):
    copied = tmp_path / "journal"
    copied.write_bytes(undisturbed[1].read_bytes())
    other = Limits(max_steps=0)
    relaxed = relax(crystals(), copied, stamp="other work", limits=other)
    assert {crystal.properties["steps"] for crystal in relaxed} == {0}


@pytest.mark.slow
def test_a_crystal_that_ends_its_process_fails_alone(tmp_path):
    good, bad = relax(crystals(b=KILLS)[:2], tmp_path / "journal", limits=Limits())
    assert (good.crystal_id, good.status) == ("a", "ok")
    assert (bad.crystal_id, bad.status) == ("b", "failed")
    assert bad.reason == "the process died on this crystal, exit code 7"


def test_a_group_that_ends_its_process_is_taken_apart(undisturbed, tmp_path, without_processes):
    expected, relaxed = (as_dict(each) for each in (undisturbed[0], relax(crystals(b=KILLS), tmp_path / "journal")))
    assert [name for name in relaxed if "/" not in name] == list("abcdefgh")
    assert (relaxed["b"].status, relaxed["b"].properties) == ("failed", {})
    assert relaxed["b"].reason == "the process died on this crystal, exit code 7"
    for name in "ac":
        assert relaxed[name].status == "ok"
        energies = [each[name].properties["energy_per_atom"] for each in (relaxed, expected)]
        assert energies[0] == pytest.approx(energies[1], abs=1e-9)
    for name in "defgh":
        assert relaxed[name].to_record() == expected[name].to_record()


def as_dict(relaxed):
    return {crystal.crystal_id: crystal for crystal in relaxed}


@pytest.mark.parametrize("finished", range(1, 6))
def test_a_run_that_is_killed_among_the_suspects_of_a_group_continues(tmp_path, without_processes, finished):
    poisoned = crystals(b=KILLS)
    whole = relax(poisoned, tmp_path / "whole")
    lines = (tmp_path / "whole").read_text().splitlines()
    assert len(lines) == 1 + 2 + 3
    cut = tmp_path / "cut"
    cut.write_text("\n".join(lines[: 1 + finished]) + "\n")
    assert records(relax(poisoned, cut)) == records(whole)


def test_crystals_that_fail_keep_their_place_and_reason(tmp_path, without_processes):
    given = crystals(c=EXPLODES, e=REFUSES)
    given[0] = Crystal.failure("a", "not generated")
    relaxed = finals(relax(given, tmp_path / "journal"))
    assert [crystal.status for crystal in relaxed] == ["failed", "ok", "failed", "ok", "failed", "ok", "ok", "ok"]
    assert relaxed[0].reason == "not generated"
    assert relaxed[2].reason.startswith("numerical failure: 2.5e+08 eV/atom")
    assert relaxed[4].reason == "isolated atoms: by decree"


def test_every_crystal_is_in_the_journal_before_it_counts_as_progress(tmp_path, monkeypatch, without_processes):
    told = []

    def recorded(items, description, unit, total):
        told.append((description, unit, total))
        for crystal in items:
            written = (tmp_path / "journal").read_text()
            assert f'"crystal_id": "{crystal.crystal_id}"' in written
            told.append(crystal.crystal_id)
            yield crystal

    monkeypatch.setattr(parallel, "progress", recorded)
    relax(crystals()[:3], tmp_path / "journal")
    relax(crystals(), tmp_path / "journal")
    assert told[0] == ("relaxing", "crystals", 3)
    assert sorted(told[1:4]) == ["a", "b", "c"]
    assert told[4] == ("relaxing", "crystals", 5)
    assert sorted(told[5:]) == list("defgh")


def test_no_crystals_are_no_work(tmp_path):
    assert relax([], tmp_path / "journal", load=dies_while_loading) == []


def test_a_bug_stops_the_work(tmp_path, monkeypatch, without_processes):
    def fails(prepare, items, num_processes):
        raise RuntimeError("a process failed")

    monkeypatch.setattr(parallel, "map_in_processes", fails)
    with pytest.raises(RuntimeError, match="a process failed"):
        relax(crystals(), tmp_path / "journal")


@pytest.mark.parametrize(("given", "on_gpu", "expected"), [(8, False, 8), (8, True, 4), (2, True, 2)])
def test_few_processes_share_a_gpu(tmp_path, monkeypatch, given, on_gpu, expected):
    asked = []

    def counted(prepare, items, num_processes):
        asked.append((len(items), num_processes))
        return iter(())

    monkeypatch.setattr(parallel, "map_in_processes", counted)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: on_gpu)
    with pytest.raises(KeyError):
        relax(crystals(), tmp_path / "journal", given)
    assert asked[0] == (1 if on_gpu else 3, expected)
