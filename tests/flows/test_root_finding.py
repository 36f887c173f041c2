import math

import pytest
import torch

from sunflow.flows.root_finding import bisect, positive_root


def test_bisection_finds_all_roots_at_once():
    squares = torch.tensor([1e-6, 2.0, 9.0])
    roots = bisect(lambda value: value**2 - squares, torch.zeros(3), torch.full((3,), 10.0))
    torch.testing.assert_close(roots, squares.sqrt())


@pytest.mark.parametrize("start", [1e-3, 1.0, 2.0, 400.0])
def test_a_positive_root_is_found_from_afar(start):
    root = positive_root(lambda value: torch.atan(value.log()) - math.atan(math.log(2)), start)
    assert root.item() == pytest.approx(2, abs=1e-7)
