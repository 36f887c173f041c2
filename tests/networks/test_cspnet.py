import math
from pathlib import Path

import pytest
import torch

from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet

SIZES = [3, 1, 5, 52]
NUM_TYPES = 4


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CSPNet(NUM_TYPES, hidden_dim=32, num_layers=3, num_frequencies=8, time_dim=16).double()


def inputs(sizes, num_types=NUM_TYPES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    atoms, crystals = sum(sizes), len(sizes)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return {
        "types": 2 * torch.softmax(rand(atoms, num_types), -1) - 1,
        "angles": 2 * math.pi * (rand(atoms, 3) - 0.5),
        "signal": rand(atoms, 3),
        "lattice": 2 * rand(crystals, 3, 3) - 1,
        "time": rand(crystals),
    }


def run(network, given, sizes=SIZES):
    return network(**given, graph=CompleteGraph.of(torch.tensor(sizes)))


@pytest.mark.parametrize("num_types, expected", [(89, 12_271_193), (56, 12_237_368), (1, 12_180_993)])
def test_size_is_the_papers(num_types, expected):
    with torch.device("meta"):
        network = CSPNet(num_types, hidden_dim=512, num_layers=6, num_frequencies=128, time_dim=128)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_split_layers_equal_the_plain_network(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from bench.reference_cspnet import PlainCSPNet

    torch.manual_seed(1)
    network = CSPNet(NUM_TYPES, hidden_dim=48, num_layers=3, num_frequencies=128, time_dim=128).double()
    given = inputs(SIZES)
    ours, plain = run(network, given), PlainCSPNet(network)(**given, num_atoms=torch.tensor(SIZES))
    torch.testing.assert_close(tuple(ours), tuple(plain), rtol=1e-6, atol=1e-9)
    sums = [sum((part * part).sum() for part in output) for output in (ours, plain)]
    gradients = [torch.autograd.grad(total, list(network.parameters())) for total in sums]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


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
