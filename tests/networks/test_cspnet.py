import math
from pathlib import Path

import pytest
import torch
from plain_cspnet import NUM_TYPES, SIZES, inputs, plain_output, run

from sunflow.networks import csp_layers
from sunflow.networks.cspnet import CSPNet, CSPNetOutput


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CSPNet(NUM_TYPES, hidden_dim=32, num_layers=3, num_frequencies=8, time_dim=16).double()


@pytest.mark.parametrize("num_types, expected", [(89, 12_271_193), (56, 12_237_368), (1, 12_180_993)])
def test_size_is_the_papers(num_types, expected):
    with torch.device("meta"):
        network = CSPNet(num_types, hidden_dim=512, num_layers=6, num_frequencies=128, time_dim=128)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_blocks_of_pairs_equal_the_plain_network(monkeypatch):
    monkeypatch.setattr(csp_layers, "PAIRS_AT_ONCE", 50)
    torch.manual_seed(1)
    network = CSPNet(NUM_TYPES, hidden_dim=48, num_layers=3, num_frequencies=16, time_dim=16).double()
    given = inputs(SIZES)
    leaves = [*network.parameters(), given["angles"].requires_grad_(), given["lattice"].requires_grad_()]
    ours, plain = run(network, given), plain_output(network, given, SIZES)
    torch.testing.assert_close(tuple(ours), tuple(plain))
    sums = [sum((part * part).sum() for part in output) for output in (ours, plain)]
    torch.testing.assert_close(*(torch.autograd.grad(total, leaves) for total in sums), rtol=1e-6, atol=1e-9)


def test_the_networks_of_the_benchmark_agree(monkeypatch):
    pytest.importorskip("torch_geometric")
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from bench.reference_cspnet import PlainCSPNet

    torch.manual_seed(1)
    network = CSPNet(NUM_TYPES, hidden_dim=48, num_layers=3, num_frequencies=128, time_dim=128).double()
    given = inputs(SIZES)
    torch.testing.assert_close(
        tuple(run(PlainCSPNet(network), given)), tuple(run(network, given)), rtol=1e-6, atol=1e-9
    )


def test_gradients_agree_with_differences():
    torch.manual_seed(1)
    network = CSPNet(2, hidden_dim=4, num_layers=2, num_frequencies=3, time_dim=4).double()
    given = {name: value.requires_grad_() for name, value in inputs([3, 1, 2], num_types=2).items()}

    def outputs(*values):
        return tuple(run(network, dict(zip(given, values, strict=True)), [3, 1, 2]))

    assert torch.autograd.gradcheck(outputs, tuple(given.values()))


@pytest.mark.parametrize("sizes", [[1], [52], [1, 1], [2, 1, 20]])
@pytest.mark.parametrize("part", CSPNetOutput._fields)
def test_gradients_of_every_output_are_finite(network, sizes, part):
    given = inputs(sizes)
    (getattr(run(network, given, sizes), part) ** 2).sum().backward()
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def test_a_single_element_needs_no_types():
    network = CSPNet(1, hidden_dim=16, num_layers=2, num_frequencies=4, time_dim=8).double()
    output = run(network, inputs(SIZES, num_types=1))
    assert output.type_logits.shape == (61, 1)
    assert all(part.isfinite().all() for part in output)


def test_the_same_numbers_in_every_run(network):
    given = {name: value.float() for name, value in inputs(SIZES).items()}
    network = network.float()

    def gradients():
        return torch.autograd.grad(sum((part**2).sum() for part in run(network, given)), list(network.parameters()))

    torch.use_deterministic_algorithms(True)
    try:
        assert all(torch.equal(*pair) for pair in zip(gradients(), gradients(), strict=True))
    finally:
        torch.use_deterministic_algorithms(False)


def test_weights_keep_their_names():
    with torch.device("meta"):
        network = CSPNet(NUM_TYPES, hidden_dim=8, num_layers=1, num_frequencies=2, time_dim=4)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == {
        "type_embedding.weight": (8, 4),
        "type_embedding.bias": (8,),
        "atom_embedding.weight": (8, 15),
        "atom_embedding.bias": (8,),
        "rounds.layers.0.norm.weight": (8,),
        "rounds.layers.0.norm.bias": (8,),
        "rounds.layers.0.message_in.weight": (8, 37),
        "rounds.layers.0.message_in.bias": (8,),
        "rounds.layers.0.message_out.weight": (8, 8),
        "rounds.layers.0.message_out.bias": (8,),
        "rounds.layers.0.update_in.weight": (8, 16),
        "rounds.layers.0.update_in.bias": (8,),
        "rounds.layers.0.update_out.weight": (8, 8),
        "rounds.layers.0.update_out.bias": (8,),
        "norm.weight": (8,),
        "norm.bias": (8,),
        "displacement_head.weight": (3, 8),
        "lattice_head.weight": (9, 8),
        "type_head.weight": (4, 8),
        "type_head.bias": (4,),
    }


def test_permuting_atoms_permutes_the_output(network):
    given = inputs(SIZES)
    before = run(network, given)
    generator = torch.Generator().manual_seed(3)
    starts = [0, *torch.tensor(SIZES).cumsum(0)[:-1].tolist()]
    order = torch.cat(
        [start + torch.randperm(size, generator=generator) for start, size in zip(starts, SIZES, strict=True)]
    )
    of_atoms = {name: given[name][order] for name in ("types", "angles", "signal")}
    after = run(network, {**given, **of_atoms})
    torch.testing.assert_close(after.displacement, before.displacement[order])
    torch.testing.assert_close(after.type_logits, before.type_logits[order])
    torch.testing.assert_close(after.lattice, before.lattice)


def test_shifting_all_atoms_changes_nothing(network):
    given = inputs(SIZES)
    shift = torch.tensor([[0.3, -2.0, 3.0], [1, 1, 1], [-4, 2 * math.pi, 0.1], [5, 6, 7]], dtype=torch.float64)
    shifted = given["angles"] + shift.repeat_interleave(torch.tensor(SIZES), 0)
    shifted = shifted - 2 * math.pi * torch.round(shifted / (2 * math.pi))
    torch.testing.assert_close(tuple(run(network, {**given, "angles": shifted})), tuple(run(network, given)))


def test_rotating_the_lattice_rotates_the_output(network):
    given = inputs(SIZES)
    rotation, _ = torch.linalg.qr(torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    before, after = run(network, given), run(network, {**given, "lattice": given["lattice"] @ rotation})
    torch.testing.assert_close(after.lattice, before.lattice @ rotation)
    torch.testing.assert_close(after.displacement, before.displacement)
    torch.testing.assert_close(after.type_logits, before.type_logits)


def test_crystals_of_a_batch_do_not_see_one_another(network):
    given = inputs(SIZES)
    together = run(network, given)
    alone = run(network, {name: value[-52:] if len(value) == 61 else value[-1:] for name, value in given.items()}, [52])
    torch.testing.assert_close(alone.displacement, together.displacement[-52:])
    torch.testing.assert_close(alone.lattice, together.lattice[-1:])


def test_nan_stays_in_its_crystal(network):
    given = inputs(SIZES)
    whole = run(network, given)
    given["angles"][1, 2] = math.nan
    broken = run(network, given)
    assert broken.displacement[:3].isnan().all() and broken.lattice[0].isnan().all()
    torch.testing.assert_close(broken.displacement[3:], whole.displacement[3:])
    torch.testing.assert_close(broken.lattice[1:], whole.lattice[1:])


def test_a_lattice_of_zeros_stays(network):
    given = inputs(SIZES)
    assert (run(network, {**given, "lattice": torch.zeros(4, 3, 3, dtype=torch.float64)}).lattice == 0).all()


def test_every_input_and_parameter_matters(network):
    given = {name: value.requires_grad_() for name, value in inputs([3, 4]).items()}
    sum((part**2).sum() for part in run(network, given, [3, 4])).backward()
    for name, tensor in [*given.items(), *network.named_parameters()]:
        assert tensor.grad.isfinite().all() and tensor.grad.abs().max() > 0, name


def test_single_precision_agrees_with_double(network):
    given = inputs(SIZES)
    single = run(CSPNet(NUM_TYPES, 32, 3, 8, 16).float(), {name: value.float() for name, value in given.items()})
    assert all(part.dtype == torch.float32 for part in single)
    weights = network.state_dict()
    network32 = CSPNet(NUM_TYPES, 32, 3, 8, 16)
    network32.load_state_dict(weights)
    ours = run(network32, {name: value.float() for name, value in given.items()})
    for part, exact in zip(ours, run(network, given), strict=True):
        torch.testing.assert_close(part.double(), exact, rtol=1e-5, atol=1e-5)


def test_mixed_precision_gives_full_precision_outputs(network):
    given = {name: value.float() for name, value in inputs(SIZES).items()}
    network = network.float()
    exact = run(network, given)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = run(network, given)
    for part, wanted in zip(mixed, exact, strict=True):
        assert part.dtype == torch.float32
        torch.testing.assert_close(part, wanted, rtol=0, atol=0.05)
