import torch

from sunflow.training.records import StepRecords


def add(records, step, taken=1.0):
    records.begin()
    terms = {"lattice": torch.tensor(step / 2), "frac_coords": torch.tensor(float(step))}
    records.add(step, 10 * step, terms, torch.tensor(taken))


def test_ever_more_steps_are_read_together_and_none_is_lost():
    records, together, seen = StepRecords(most=4), [], []
    for step in range(1, 20):
        add(records, step)
        if records.due:
            read = records.read()
            together.append(len(read))
            seen += read
    seen += records.read()
    assert together == [1, 2, 4, 4, 4, 4] and records.read() == []
    assert [record.step for record in seen] == list(range(1, 20))
    assert [record.crystals for record in seen] == [10 * record.step for record in seen]
    assert all(record.terms == {"lattice": record.step / 2, "frac_coords": record.step} for record in seen)


def test_a_skipped_step_has_no_terms():
    records = StepRecords(most=1)
    add(records, 1, taken=0.0)
    assert [record.terms for record in records.read()] == [None]
