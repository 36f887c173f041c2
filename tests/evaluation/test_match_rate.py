"""Match rate and RMSE from the rows of predictions."""

import numpy as np
import pandas as pd
import pytest

from sunflow.evaluation.match_rate import match_rate_of, numbers_of_candidates

ALL = (True, True, True)
ROWS = [
    ("a", 0, *ALL, 0.2),
    ("a", 1, *ALL, 0.1),
    ("a", 2, False, False, True, 0.02),
    ("b", 0, True, False, False, 0.3),
    ("b", 1, True, False, False, np.nan),
    ("b", 2, True, False, False, 0.4),
    ("c", 0, *ALL, np.nan),
    ("c", 1, False, True, True, 0.05),
    ("c", 2, True, True, False, 0.06),
    ("d", 0, False, False, True, np.nan),
    ("d", 1, False, False, True, np.nan),
    ("d", 2, False, False, True, np.nan),
]
COLUMNS = ["target_id", "candidate", "structure_valid", "composition_valid", "target_valid", "rmsd"]
MATCHES = pd.DataFrame(ROWS, columns=COLUMNS)


@pytest.mark.parametrize(
    ("name", "k", "best"),
    [
        ("none", 1, [0.2, 0.3]),
        ("none", 2, [0.1, 0.3, 0.05]),
        ("none", 3, [0.02, 0.3, 0.05]),
        ("crysbfn", 1, [0.2, 0.3]),
        ("crysbfn", 2, [0.1, 0.3]),
        ("crysbfn", 3, [0.1, 0.3, 0.06]),
        ("diffcsp", 1, [0.2]),
        ("diffcsp", 3, [0.1]),
    ],
)
def test_the_best_of_the_first_that_pass(name, k, best):
    for matches in (MATCHES, MATCHES.sample(frac=1, random_state=3)):
        found = match_rate_of(matches, name, k)
        assert (found.num_pairs, found.num_matches, found.rate) == (4, len(best), len(best) / 4)
        assert found.rmse == pytest.approx(np.mean(best))


def test_without_a_match_there_is_no_distance():
    found = match_rate_of(MATCHES[MATCHES["target_id"].eq("d")], "none", 3)
    assert (found.num_pairs, found.rate, found.rmse) == (1, 0.0, None)


@pytest.mark.parametrize(("number", "expected"), [(1, [1]), (3, [1, 3]), (7, [1, 5, 7]), (20, [1, 5, 10, 20])])
def test_for_how_many_candidates(number, expected):
    assert numbers_of_candidates(pd.DataFrame({"candidate": range(number)})) == expected
