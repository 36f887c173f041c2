"""Which crystals are asked for, one by one, before they are sampled in batches."""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from sunflow.crystals.crystal import Property
from sunflow.generators.generator import Condition
from sunflow.generators.precedents import Precedents


@dataclass(frozen=True)
class Request:
    """One crystal that is asked for.

    Attributes:
        crystal_id: The name that it will have.
        stream: What its noise is named by, besides a number and the seed of the run.
        number: See `stream`.
        num_atoms: Atoms of its cell.
        atomic_numbers: Of its atoms, where they are given.
        space_group: Of its asymmetric unit, whose atoms `num_atoms` counts; None for whole cells.
        target: The property that is asked for, if one is.
        properties: That it will carry.
    """

    crystal_id: str
    stream: str
    number: int
    num_atoms: int
    atomic_numbers: tuple[int, ...] | None = None
    space_group: int | None = None
    target: float | None = None
    properties: dict[str, Property] = field(default_factory=dict)


def of_sizes(counts: Mapping[str, int], seeds: Sequence[int], smallest: int = 1) -> list[Request]:
    """Crystals whose numbers of atoms follow the frequencies of the train split, none below `smallest`.

    Args:
        counts: Number of atoms (as text) → how many train crystals have it.
        seeds: One per crystal; the i-th draws the size of the i-th.
        smallest: Atoms of the smallest crystal that makes sense.

    Raises:
        ValueError: The train split has no crystals so large.
    """
    sizes = sorted(int(size) for size in counts if int(size) >= smallest)
    if not sizes:
        raise ValueError(f"the train split has no crystal of {smallest} atoms or more, which so many elements need")
    weights = [counts[str(size)] for size in sizes]
    drawn = [random.Random(seed).choices(sizes, weights)[0] for seed in seeds]
    return [Request(f"{index:06d}", "sampling noise", index, size) for index, size in enumerate(drawn)]


def like_precedents(
    precedents: Precedents,
    seeds: Sequence[int],
    smallest: int = 1,
    space_groups: Sequence[int] | None = None,
    target: float | None = None,
) -> list[Request]:
    """Crystals of the space groups and sizes that `Precedents.draw` finds likely; the arguments and errors are its."""
    drawn = precedents.draw(seeds, smallest, space_groups, target)
    made = (
        Request(f"{index:06d}", "sampling noise", index, size, space_group=group or None, target=target)
        for index, (group, size) in enumerate(drawn)
    )
    return [replace(request, properties=_asked(request)) for request in made]


def _asked(request: Request) -> dict[str, Property]:
    """What is asked for, for people who read of the crystal later."""
    asked: dict[str, Property] = {"requested_space_group": request.space_group, "target": request.target}
    return {name: value for name, value in asked.items() if value is not None}


def of_composition(name: str, atomic_numbers: Sequence[int], num_candidates: int) -> Iterator[Request]:
    """So many crystals of these atoms, which carry the name as `target_id`, whatever else is asked for."""
    for candidate in range(num_candidates):
        yield Request(
            f"{name}_{candidate}",
            f"prediction of {name}",
            candidate,
            len(atomic_numbers),
            tuple(atomic_numbers),
            properties={"target_id": name, "candidate": candidate},
        )


def condition(requests: Sequence[Request], elements: Collection[int] | None, guidance: float = 1.0) -> Condition:
    """What is given of these crystals; all or none of them name their atoms, their space group, their target."""
    groups = [request.space_group for request in requests if request.space_group is not None]
    targets = [request.target for request in requests if request.target is not None]
    atoms = [z for request in requests for z in request.atomic_numbers or ()]
    return Condition(
        torch.tensor([request.num_atoms for request in requests]),
        torch.tensor(atoms) if atoms else None,
        torch.tensor(sorted(elements)) if elements else None,
        torch.tensor(groups) if groups else None,
        torch.tensor(targets) if targets else None,
        guidance,
    )
