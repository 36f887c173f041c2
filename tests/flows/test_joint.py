import pytest
import torch

from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.euclidean import GaussianFlow
from sunflow.flows.joint import JointFlow
from sunflow.flows.noise import CrystalNoise
from sunflow.flows.simplex import CategoricalFlow
from sunflow.flows.torus import VonMisesFlow, wrap

NUM_ATOMS = torch.tensor([1, 4, 2])
OF_ATOM = torch.repeat_interleave(torch.arange(3), NUM_ATOMS)
ROWS = {"lattice": torch.arange(3), "frac_coords": OF_ATOM, "atom_types": OF_ATOM}


def joint_flow(num_steps=10):
    return JointFlow(
        {
            "lattice": GaussianFlow(num_steps, 0.03, shape=(3, 3)),
            "frac_coords": VonMisesFlow(accuracy_schedule("official", num_steps, 1000.0), shape=(3,)),
            "atom_types": CategoricalFlow(num_steps, 10.0, 4),
        }
    )


def fields():
    generator = torch.Generator().manual_seed(0)
    return {
        "lattice": torch.randn(3, 3, 3, generator=generator),
        "frac_coords": wrap(6 * torch.randn(7, 3, generator=generator)),
        "atom_types": torch.eye(4)[torch.randint(4, (7,), generator=generator)],
    }


def test_fields_are_in_step():
    """The crystal at step 0 knows nothing in any field, that at the last step nearly all."""
    x = fields()
    belief = joint_flow().sample_flow(x, torch.tensor([10, 0, 10]), ROWS, CrystalNoise([1, 2, 3]))
    known = OF_ATOM != 1
    assert (belief["lattice"].mean[1] == 0).all() and (belief["frac_coords"].concentration[~known] == 0).all()
    torch.testing.assert_close(belief["lattice"].mean[[0, 2]], x["lattice"][[0, 2]], rtol=0, atol=0.15)
    assert wrap(belief["frac_coords"].mean - x["frac_coords"])[known].abs().max() < 0.15
    assert (belief["atom_types"].logits.argmax(-1) == x["atom_types"].argmax(-1))[known].all()
    torch.testing.assert_close(belief["atom_types"].probabilities[~known], torch.full((4, 4), 0.25))


@pytest.mark.parametrize("advance", [JointFlow.update, JointFlow.redraw])
def test_an_oracle_leads_to_the_truth(advance):
    flow, x = joint_flow(), fields()
    noise = CrystalNoise([1, 2, 3])
    belief = flow.prior(ROWS, noise)
    for step in range(1, flow.num_steps + 1):
        belief = advance(flow, belief, x, torch.full((3,), step), ROWS, noise)
    torch.testing.assert_close(belief["lattice"].mean, x["lattice"], rtol=0, atol=0.15)
    assert wrap(belief["frac_coords"].mean - x["frac_coords"]).abs().max() < 0.15
    assert (belief["atom_types"].logits.argmax(-1) == x["atom_types"].argmax(-1)).all()


def test_loss_names_every_field_and_vanishes_for_the_truth():
    x = fields()
    losses = joint_flow().loss(x, x, torch.tensor([1, 5, 10]), ROWS, CrystalNoise([1, 2, 3]))
    assert list(losses) == ["lattice", "frac_coords", "atom_types"]
    assert all(len(loss) == len(ROWS[field]) and (loss == 0).all() for field, loss in losses.items())


def test_flows_of_different_lengths_do_not_join():
    with pytest.raises(ValueError, match="number of steps"):
        JointFlow({"a": GaussianFlow(10, 0.1, shape=()), "b": GaussianFlow(9, 0.1, shape=())})
