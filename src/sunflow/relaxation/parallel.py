"""Relax many crystals: in batches, in processes, and journaled, so that a killed run continues where it stopped."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch

from sunflow.crystals.crystal import Crystal
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.potential import Potential
from sunflow.workers import Died, map_in_processes

Load = Callable[[], Potential]
Group = Sequence[Crystal]
CRYSTALS_ON_CPU, CRYSTALS_ON_GPU = 16, 1024
"""In a group, which one process relaxes and which is journaled as a whole: seconds to a minute of work."""
MAX_PROCESSES_ON_GPU = 4
"""They fill each other's gaps between kernels; more only share its memory."""


def relax_all(
    crystals: Sequence[Crystal], load: Load, limits: Limits, journal: Journal, num_processes: int
) -> list[Crystal]:
    """All crystals relaxed by a `Relaxer`, in their order, each after the frames of its trajectory.

    The groups are fixed, so that neither the number of processes nor a kill in between changes a result on a CPU. A
    group that ends its process twice is taken apart, and the crystal that does so again fails.
    """
    on_gpu = torch.cuda.is_available()
    size = CRYSTALS_ON_GPU if on_gpu else CRYSTALS_ON_CPU
    groups = [crystals[start : start + size] for start in range(0, len(crystals), size)]
    finished: dict[str, list[Crystal]] = {}
    for record in journal.records:
        _sort_in(finished, [Crystal.from_record(each) for each in record["crystals"]])
    left = [group for group in groups if any(crystal.crystal_id not in finished for crystal in group)]
    processes = min(num_processes, MAX_PROCESSES_ON_GPU) if on_gpu else num_processes
    results = _journaled(_relaxed(left, partial(_relaxing, load, limits), processes), finished, journal)
    for _ in progress(results, "relaxing", "crystals", total=sum(map(len, left))):
        pass
    return [each for crystal in crystals for each in finished[crystal.crystal_id]]


def _relaxing(load: Load, limits: Limits) -> Callable[[Group], list[Crystal]]:
    from sunflow.relaxation.relaxer import Relaxer

    relaxer = Relaxer(load(), limits)
    return lambda group: list(relaxer.relax(group))


def _relaxed(
    groups: Sequence[Group], prepare: Callable[[], Callable[[Group], list[Crystal]]], num_processes: int
) -> Iterator[list[Crystal]]:
    """The results of each group, as they come; those of a group that has died one by one."""
    suspects: list[Crystal] = []
    for index, result in map_in_processes(prepare, groups, num_processes):
        if isinstance(result, Died):
            suspects += groups[index]
        else:
            yield result
    for index, result in map_in_processes(prepare, [[suspect] for suspect in suspects], num_processes):
        if isinstance(result, Died):
            result = [suspects[index].failed(f"the process died on this crystal, exit code {result.exit_code}")]
        yield result


def _journaled(
    results: Iterator[list[Crystal]], finished: dict[str, list[Crystal]], journal: Journal
) -> Iterator[Crystal]:
    """Every crystal that is finished, once it is seen onto the disk."""
    for result in results:
        journal.append({"crystals": [crystal.to_record() for crystal in result]})
        _sort_in(finished, result)
        yield from (crystal for crystal in result if "frame_of" not in crystal.properties)


def _sort_in(finished: dict[str, list[Crystal]], result: list[Crystal]) -> None:
    """Frames and final crystal under the name of the crystal, in their order, in place of those of an earlier try."""
    found: dict[str, list[Crystal]] = {}
    for crystal in result:
        found.setdefault(str(crystal.properties.get("frame_of", crystal.crystal_id)), []).append(crystal)
    finished.update(found)
