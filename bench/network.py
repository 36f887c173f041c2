"""The score network against a plain one."""

import torch
from torch import Tensor

from bench.paper import inputs, largest_error, paper_network, require
from bench.reference_cspnet import PlainCSPNet
from bench.sizes import mp20_sizes
from bench.timing import cpu_seconds, print_against
from sunflow.networks.complete_graph import CompleteGraph
from sunflow.networks.tabulated_csp_layers import tabulated

NUM_CRYSTALS = 64
PLAIN = "plain (torch-geometric)"
TABLES = "CSPNet with tables"


def network(repeats: int) -> None:
    """Forward, also with tables of fixed weights, and forward with backward, for 64 crystals of MP-20's sizes."""
    ours = paper_network()
    num_atoms = mp20_sizes(NUM_CRYSTALS)
    graph = CompleteGraph.of(num_atoms)
    given = inputs(num_atoms)
    networks = {PLAIN: PlainCSPNet(ours), "CSPNet": ours, TABLES: tabulated(ours)}
    print(f"{NUM_CRYSTALS} crystals, {len(graph.crystal_of_atom)} atoms, {len(graph.receiver)} edges")
    _check(networks, given, graph)
    variants = {
        PLAIN: lambda: networks[PLAIN](*given, graph),
        "CSPNet": lambda: ours(*given, CompleteGraph.of(num_atoms)),
        TABLES: lambda: networks[TABLES](*given, graph),
    }
    with torch.no_grad():
        print("forward")
        print_against(PLAIN, cpu_seconds(variants, repeats))
        construction = cpu_seconds({"its tables": lambda: tabulated(ours)}, repeats)
    print(f"making the tables, once per sampling: {construction['its tables']:.3f} s\nforward and backward")
    steps = {name: lambda run=variants[name]: _loss(run()).backward() for name in (PLAIN, "CSPNet")}
    print_against(PLAIN, cpu_seconds(steps, repeats))


def _check(networks: dict[str, torch.nn.Module], given: tuple[Tensor, ...], graph: CompleteGraph) -> None:
    """All networks must say the same, and have the same gradients."""
    outputs = {name: network(*given, graph) for name, network in networks.items()}
    weights = list(networks["CSPNet"].parameters())
    exact, of_plain = (torch.autograd.grad(_loss(outputs[name]), weights) for name in ("CSPNet", PLAIN))
    require(largest_error(outputs["CSPNet"], outputs[PLAIN]), 1e-5, "outputs of CSPNet and plain differ by")
    require(largest_error(exact, of_plain), 1e-4, "gradients of CSPNet and plain differ by")
    require(largest_error(outputs[TABLES], outputs[PLAIN]), 1e-3, "outputs with tables and plain differ by")


def _loss(outputs: tuple[Tensor, ...]) -> Tensor:
    """Something that depends on every output."""
    return torch.stack([part.square().mean() for part in outputs]).sum()
