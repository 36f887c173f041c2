"""Which crystals are asked for, one by one, before they are sampled in batches."""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from sunflow.crystals.crystal import Property
from sunflow.generators.generator import Condition


@dataclass(frozen=True)
class Request:
    """One crystal that is asked for.

    Attributes:
        crystal_id: The name that it will have.
        stream: What its noise is named by, besides a number and the seed of the run.
        number: See `stream`.
        num_atoms: Atoms of its cell.
        atomic_numbers: Of its atoms, where they are given.
        properties: That it will carry.
    """

    crystal_id: str
    stream: str
    number: int
    num_atoms: int
    atomic_numbers: tuple[int, ...] | None = None
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


def of_composition(name: str, atomic_numbers: Sequence[int], num_candidates: int) -> Iterator[Request]:
    """So many crystals of these atoms, which carry the name as `target_id`, whatever else is asked for."""
    for candidate in range(num_candidates):
        yield Request(
            f"{name}_{candidate}",
            f"prediction of {name}",
            candidate,
            len(atomic_numbers),
            tuple(atomic_numbers),
            {"target_id": name, "candidate": candidate},
        )


def condition(requests: Sequence[Request], elements: Collection[int] | None) -> Condition:
    """What is given of these crystals; all or none of them name their atoms."""
    atoms = [z for request in requests for z in request.atomic_numbers or ()]
    return Condition(
        torch.tensor([request.num_atoms for request in requests]),
        torch.tensor(atoms) if atoms else None,
        torch.tensor(sorted(elements)) if elements else None,
    )
