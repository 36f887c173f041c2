import numpy as np
import pytest
import torch
from fake_potential import ARGON

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.descent import Descent
from sunflow.relaxation.flight import STEPS_BETWEEN_LOOKS, Flight
from sunflow.relaxation.lbfgs import LBFGS
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import Evaluation


class Drift:
    """All atoms are pulled the same way for ever, so that their distances stay."""

    device = torch.device("cpu")

    def evaluate(self, geometry):
        zeros = torch.zeros(len(geometry), dtype=torch.float64)
        force = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).expand(geometry.positions.shape)
        return Evaluation(zeros, force.clone(), zeros[:, None, None].expand(-1, 3, 3).clone(), {})

    def size(self, crystal):
        return 1.0


def pair(distance):
    return Crystal(str(distance), 8 * np.eye(3), np.array([[0, 0, 0], [0, 0, distance / 8]]), np.array([ARGON] * 2))


def landings(distances):
    """How the descents of pairs of atoms at these distances end, in Å."""
    flight = Flight(Drift(), LBFGS(), Limits(max_steps=200))
    flight.board([Descent(each, each) for each in map(pair, distances)])
    found = {}
    while flight.descents:
        found |= {landing.descent.given.crystal_id: landing for landing in flight.advance()}
    return found


@pytest.mark.parametrize("others", [[], [0.6, 3.0]])
def test_a_descent_whose_atoms_go_on_overlapping_has_gone_astray(others):
    found = landings([0.4, *others])
    assert found["0.4"].is_astray and found["0.4"].descent.steps == 2 * STEPS_BETWEEN_LOOKS
    assert found["0.4"].crystal.reason == "numerical failure: overlapping atoms: 0.40 Å apart, less than 0.5"
    for distance in map(str, others):
        assert (found[distance].crystal.status, found[distance].descent.steps) == ("not_converged", 200)


def test_atoms_that_come_apart_again_go_on():
    near, far = pair(0.4), pair(0.8)
    descent = Descent(far, far)
    assert [descent.is_stuck(crystal) for crystal in (near, far, near, near)] == [False, False, False, True]
