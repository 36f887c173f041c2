import json

import numpy as np
import pytest
from fake_potential import ARGON, EXPLODES, KILLS, NOT_A_NUMBER, dies_while_loading, load

from sunflow.crystals.crystal import Crystal
from sunflow.journal import Journal
from sunflow.relaxation.parallel import evaluate_all, relax_all

FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
SETTINGS = {"max_force": 0.001, "max_steps": 100, "timeout": 60.0}


def crystals(poisons=()):
    """Argon crystals of several sizes; those numbered in `poisons` have one atom of another kind."""
    kinds = dict(poisons)
    return [
        Crystal(f"{n}", (5.0 + 0.1 * n) * np.eye(3), FCC, np.array([ARGON] * 3 + [kinds.get(n, ARGON)]))
        for n in range(8)
    ]


def relax(given, journal, num_processes=1, stamp="stamp", load=load):
    with Journal(journal, stamp) as entries:
        return relax_all(given, load, **SETTINGS, journal=entries, num_processes=num_processes)


def records(given):
    return [crystal.to_record() for crystal in given]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What becomes of the crystals in one process, and the journal of that."""
    journal = tmp_path_factory.mktemp("undisturbed") / "journal"
    return relax(crystals(), journal), journal


def test_the_result_does_not_depend_on_the_number_of_processes(undisturbed, tmp_path):
    one, _ = undisturbed
    assert [crystal.status for crystal in one] == ["ok"] * 8
    assert [crystal.crystal_id for crystal in one] == [crystal.crystal_id for crystal in crystals()]
    assert records(relax(crystals(), tmp_path / "journal", 3)) == records(one)


def test_poisoned_crystals_fail_alone(undisturbed, tmp_path):
    poisons = {1: KILLS, 4: NOT_A_NUMBER, 6: EXPLODES}
    poisoned = relax(crystals(poisons.items()), tmp_path / "journal", 2)
    assert poisoned[1].reason == "the process died twice on this crystal, exit code 7"
    for n, (ours, alone) in enumerate(zip(poisoned, undisturbed[0], strict=True)):
        if n in poisons:
            assert ours.status == "failed"
        else:
            assert ours.to_record() == alone.to_record()


def test_crystals_that_failed_before_keep_their_reason(tmp_path):
    given = [Crystal.failure("x", "not generated"), *crystals()[:1]]
    relaxed = relax(given, tmp_path / "journal")
    assert (relaxed[0].status, relaxed[0].reason) == ("failed", "not generated")
    assert relaxed[1].status == "ok"


def test_a_killed_run_continues_after_its_last_finished_crystal(undisturbed, tmp_path):
    whole, journal = undisturbed
    lines = journal.read_text().splitlines()
    assert len(lines) == 9
    cut = tmp_path / "cut"
    cut.write_text("\n".join(lines[:6]) + "\n" + lines[6][:40])
    assert records(relax(crystals(), cut)) == records(whole)
    ids = [json.loads(line)["crystal_id"] for line in cut.read_text().splitlines()[1:]]
    assert len(ids) == len(set(ids)) == 8


def test_a_complete_journal_needs_no_process_at_all(undisturbed, tmp_path):
    whole, journal = undisturbed
    copied = tmp_path / "journal"
    copied.write_bytes(journal.read_bytes())
    assert records(relax(crystals(), copied, load=dies_while_loading)) == records(whole)
    with pytest.raises(RuntimeError, match="died while starting"):
        relax(crystals(), copied, stamp="other work", load=dies_while_loading)


def test_single_points_leave_the_structure_alone(tmp_path):
    with Journal(tmp_path / "journal", "stamp") as journal:
        evaluated = evaluate_all(crystals(), load, journal, 1)
    for before, after in zip(crystals(), evaluated, strict=True):
        np.testing.assert_array_equal(before.lattice, after.lattice)
        assert after.properties["energy_per_atom"] < 0
