"""Similarities of a set of crystals to one another and to known ones; the oracle compares all pairs."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, to_structure
from sunflow.evaluation.comparing import Outcome, run_all
from sunflow.evaluation.comparison import Comparer, Failure
from sunflow.evaluation.survey import Survey
from sunflow.journal import Journal


def salt(name, numbers=(11, 17), shift=0.0, cells=1, length=4.0):
    """Those match whose shifts differ by less than 2.4 Å."""
    lattice = np.diag([8.0, 4.0, cells * 4.0]) * length / 4.0
    positions = np.array(
        [[0, 0, k / cells] for k in range(cells)] + [[0.5, 0.5, (k + 0.5) / cells] for k in range(cells)]
    )
    positions[cells:, 0] += shift / 8
    return Crystal(name, lattice, positions, np.repeat(numbers, cells))


def similarities(samples, train=(), test=(), energies=None, drawn=frozenset(), run=None):
    survey = Survey(samples, energies or [None] * len(samples), {"train": train, "test": test}, drawn, 1)
    outcomes = {}
    for task in survey.tasks():
        comparer = Comparer()
        outcomes[task.name] = run(task) if run else Outcome(task.run(comparer), comparer.failures)
    return survey.similarities(outcomes)


def test_repeats_are_told_from_what_matches_none():
    samples = [salt("a"), salt("b", shift=0.1, cells=2), salt("c", shift=3.5), salt("d", (11, 9))]
    found = similarities(samples, energies=[0.2, 0.1, None, None])
    assert [found[name].unique for name in "abcd"] == [False, True, True, True]
    assert [found[name].same_as for name in "abcd"] == ["b", "", "", ""]
    assert [found[name].matches_none for name in "abcd"] == [False, False, True, True]


def test_the_nearest_known_crystals_are_named():
    train = [salt("t1", shift=0.4), salt("t2", shift=0.2), salt("t3", shift=-0.2), salt("t4", (3, 9))]
    test = [salt("v1", shift=0.1), salt("v2", (19, 35))]
    samples = [salt("a"), salt("b", shift=3.9), salt("c", (19, 35)), salt("d", (3, 9), cells=2), salt("e", (3, 17))]
    found = similarities(samples, train, test)
    assert [found[name].novel for name in "abcde"] == [False, True, True, False, True]
    assert [found[name].composition_new for name in "abcde"] == [False, False, True, False, True]
    assert [found[name].novel_in_dataset for name in "abcde"] == [False, True, False, False, True]
    assert [found[name].matched_train_id for name in "abcde"] == ["t2", "", "", "t4", ""]
    assert [found[name].matched_dataset_id for name in "abcde"] == ["v1", "", "v2", "t4", ""]


def test_names_of_splits_may_collide():
    found = similarities([salt("a"), salt("b", (3, 9))], [salt("1")], [salt("1", (3, 9)), salt("a", shift=0.1)])
    assert (found["a"].matched_train_id, found["a"].novel_in_dataset) == ("1", False)
    assert (found["b"].matched_train_id, found["b"].matched_dataset_id, found["b"].novel) == ("", "1", True)


def test_a_crystal_that_was_drawn_is_not_compared_with_itself():
    test = [salt("a"), salt("b", (3, 9)), salt("c", (3, 9), shift=0.1)]
    found = similarities(test[:2], test=test, drawn=frozenset(["a", "b"]))
    assert [found[name].novel_in_dataset for name in "ab"] == [True, False]
    assert found["b"].matched_dataset_id == "c"
    assert not similarities(test[:2], test=test)["a"].novel_in_dataset


def test_no_crystal_is_no_verdict():
    broken = replace(salt("a"), lattice=np.full((3, 3), np.nan))
    found = similarities([broken, salt("b")], train=[salt("t", shift=3.0)])
    assert (found["a"].unique, found["a"].matches_none, found["a"].novel, found["a"].novel_in_dataset) == (None,) * 4
    assert found["a"].comparison_reason == (
        "a could not be compared with any other: the crystal's numbers are not finite"
    )
    assert (found["b"].unique, found["b"].novel, found["b"].comparison_reason) == (True, True, "")


def test_atoms_that_are_no_elements():
    strange = [salt("a", (11, 119)), salt("b", (11, 119)), salt("c", (0, 17))]
    found = similarities(strange, train=[salt("t", (11, 119)), salt("u", (0, 17))])
    assert [(found[name].unique, found[name].novel, found[name].composition_new) for name in "abc"] == [(None,) * 3] * 3
    assert "atomic number 119 is no element" in found["a"].comparison_reason


def test_a_known_crystal_that_is_none_leaves_its_formula_open():
    broken = replace(salt("t1"), lattice=np.zeros((3, 3)))
    found = similarities([salt("a"), salt("b", (3, 9))], train=[broken, salt("t2", (3, 9))])
    assert (found["a"].novel, found["a"].novel_in_dataset, found["a"].unique) == (None, None, True)
    assert "t1" in found["a"].comparison_reason
    assert found["b"].novel is False
    matched = similarities([salt("a")], train=[broken, salt("t2")])["a"]
    assert (matched.novel, matched.matched_train_id, matched.comparison_reason) == (False, "t2", "")


def test_pairs_without_a_verdict_leave_both_open(monkeypatch):
    """The pair b, a has no verdict in this order: b may repeat a, and either may match the other."""

    def run(task):
        comparer = Comparer(given_up={("b", "a"): "the process died", ("b", "t"): "TimeoutError: too long"})
        return Outcome(task.run(comparer), comparer.failures)

    samples = [salt("a"), salt("b", shift=3.5), salt("c", shift=3.6)]
    found = similarities(samples[:2], [salt("t", shift=0.1)], run=run)
    assert (found["a"].unique, found["a"].matches_none, found["a"].novel) == (True, None, False)
    assert (found["b"].unique, found["b"].matches_none, found["b"].novel, found["b"].novel_in_dataset) == (None,) * 4
    assert found["b"].comparison_reason == "b could not be compared with a: the process died; and 1 more"
    assert found["a"].comparison_reason == "b could not be compared with a: the process died"
    found = similarities(samples, run=run)
    assert (found["b"].unique, found["b"].matches_none) == (None, False)
    assert (found["c"].unique, found["c"].same_as) == (False, "b")


def test_a_task_whose_process_died_leaves_all_of_its_crystals_open():
    def run(task):
        return Outcome(None, [Failure(task.name, "the others", "the process died, exit code 5")])

    found = similarities([salt("a"), salt("b"), salt("c", (3, 9))], [salt("t")], run=run)
    for name in "ab":
        verdicts = found[name].unique, found[name].matches_none, found[name].novel, found[name].novel_in_dataset
        assert verdicts == (None,) * 4
        assert "the process died, exit code 5" in found[name].comparison_reason
    assert found["c"].unique is True and found["c"].novel is True


@pytest.mark.parametrize("num_processes", [1, 2])
def test_all_verdicts_are_those_of_all_pairs(tmp_path, num_processes, monkeypatch):
    monkeypatch.setattr("sunflow.evaluation.survey.PAIRS_PER_TASK", 10)
    random = np.random.default_rng(0)

    def some(count, prefix):
        kinds = [(11, 17), (11, 17), (3, 9), (19, 35)]
        return [
            salt(f"{prefix}{i}", kinds[random.integers(4)], random.uniform(0, 4), random.integers(1, 3))
            for i in range(count)
        ]

    samples, train, test = some(16, "s"), some(8, "t"), some(6, "v")
    energies = random.normal(size=16).tolist()
    survey = Survey(samples, energies, {"train": train, "test": test}, frozenset(), num_processes)
    with Journal(tmp_path / "journal", "") as journal:
        found = survey.similarities(run_all([*survey.tasks()], journal, num_processes))
    matcher = StructureMatcher()

    def same(first, second):
        return reduced_formula(first) == reduced_formula(second) and bool(
            matcher.fit(to_structure(first), to_structure(second))
        )

    representatives = []
    for _, sample in sorted(zip(energies, samples, strict=True), key=lambda pair: pair[0]):
        own = found[sample.crystal_id]
        others = [other for other in samples if other is not sample]
        repeated = next((other.crystal_id for other in representatives if same(sample, other)), "")
        assert (own.same_as, own.unique) == (repeated, not repeated)
        assert own.matches_none == (not any(same(sample, other) or same(other, sample) for other in others))
        representatives += [] if repeated else [sample]
        matches = [other for other in [*train, *test] if same(sample, other)]
        distances = {
            other.crystal_id: (
                round(matcher.get_rms_dist(to_structure(sample), to_structure(other))[0], 5),
                other.crystal_id,
            )
            for other in matches
        }
        in_train = [other.crystal_id for other in matches if other in train]
        assert own.matched_dataset_id == min(distances, key=distances.get, default="")
        assert own.matched_train_id == min(in_train, key=distances.get, default="")
        assert (own.novel, own.novel_in_dataset) == (not in_train, not matches)
