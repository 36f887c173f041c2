import math

import pytest
import torch
from plain_cspnet import NUM_TYPES, SIZES, inputs, run

from sunflow.networks import tabulated_csp_layers
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.cspnet import CSPNet
from sunflow.networks.tabulated_csp_layers import tabulated as with_tables


def networks(scale=1.0, hidden_dim=32, num_frequencies=8, dtype=torch.float64):
    torch.manual_seed(0)
    network = CSPNet(NUM_TYPES, hidden_dim, num_layers=3, num_frequencies=num_frequencies, time_dim=16).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= scale
    return network, with_tables(network)


def assert_agree(output, expected, tolerance=1e-3):
    for part, wanted in zip(output, expected, strict=True):
        torch.testing.assert_close(part, wanted, rtol=0, atol=tolerance * wanted.abs().max().item())


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("hidden_dim, num_frequencies", [(32, 8), (4, 1), (48, 128)])
def test_agrees_with_the_network(scale, hidden_dim, num_frequencies, monkeypatch):
    monkeypatch.setattr(tabulated_csp_layers, "EDGES_AT_ONCE", 1000)
    network, tabulated = networks(scale, hidden_dim, num_frequencies)
    given = inputs(SIZES)
    assert_agree(run(tabulated, given), run(network, given))


@pytest.mark.parametrize("sizes", [[1], [52], [1, 1], [2, 1, 20]])
def test_agrees_with_the_network_for_all_sizes(sizes):
    network, tabulated = networks()
    assert_agree(run(tabulated, inputs(sizes), sizes), run(network, inputs(sizes), sizes))


def test_error_falls_with_the_fourth_power_of_the_grid():
    network, _ = networks()
    given = inputs(SIZES)
    exact = run(network, given).displacement
    coarse, fine = (run(with_tables(network, nodes), given).displacement for nodes in (16, 64))
    assert (fine - exact).abs().max() < (coarse - exact).abs().max() / 4**4 * 1.5


def test_atoms_at_equal_or_opposite_places_are_exact():
    network, tabulated = networks()
    given = inputs([4])
    given["angles"] = math.pi * torch.tensor([[0, 0, 0], [1, 1, 1], [0, -1, 1], [0, 0, 0]]).double()
    assert_agree(run(tabulated, given, [4]), run(network, given, [4]), 1e-12)


def test_permuting_atoms_permutes_the_output():
    _, tabulated = networks()
    given, order = inputs([9]), torch.randperm(9, generator=torch.Generator().manual_seed(3))
    before = run(tabulated, given, [9])
    of_atoms = {name: given[name][order] for name in ("types", "angles", "signal")}
    after = run(tabulated, {**given, **of_atoms}, [9])
    torch.testing.assert_close(after.displacement, before.displacement[order])
    torch.testing.assert_close(after.type_logits, before.type_logits[order])
    torch.testing.assert_close(after.lattice, before.lattice)


def test_shifting_all_atoms_changes_nothing():
    _, tabulated = networks()
    given = inputs(SIZES)
    shifted = given["angles"] + torch.tensor([0.3, -2.0, 3.0])
    shifted = shifted - 2 * math.pi * torch.round(shifted / (2 * math.pi))
    torch.testing.assert_close(tuple(run(tabulated, {**given, "angles": shifted})), tuple(run(tabulated, given)))


def test_rotating_the_lattice_rotates_the_output():
    _, tabulated = networks()
    given = inputs(SIZES)
    rotation, _ = torch.linalg.qr(torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64))
    before, after = run(tabulated, given), run(tabulated, {**given, "lattice": given["lattice"] @ rotation})
    torch.testing.assert_close(after.lattice, before.lattice @ rotation)
    torch.testing.assert_close(after.displacement, before.displacement)
    torch.testing.assert_close(after.type_logits, before.type_logits)


def test_nan_stays_in_its_crystal():
    _, tabulated = networks()
    given = inputs(SIZES)
    whole = run(tabulated, given)
    given["angles"][1, 2] = math.nan
    broken = run(tabulated, given)
    assert broken.displacement[:3].isnan().all() and broken.lattice[0].isnan().all()
    torch.testing.assert_close(broken.displacement[3:], whole.displacement[3:])


def test_single_and_mixed_precision():
    network, tabulated = networks(dtype=torch.float32)
    given = {name: value.float() for name, value in inputs(SIZES).items()}
    exact = run(network, given)
    assert_agree(run(tabulated, given), exact)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = tabulated(**given, graph=CompleteGraph.of(torch.tensor(SIZES)))
    assert all(part.dtype == torch.float32 for part in mixed)
    for part, wanted in zip(mixed, exact, strict=True):
        torch.testing.assert_close(part, wanted, rtol=0, atol=0.05)


def test_neither_keeps_gradients_nor_adds_to_the_weights():
    network, tabulated = networks()
    assert not run(tabulated, inputs(SIZES)).displacement.requires_grad
    assert {name.replace("rounds.", "rounds.exact.") for name in network.state_dict()} == set(tabulated.state_dict())
