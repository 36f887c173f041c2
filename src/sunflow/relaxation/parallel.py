"""Relax or evaluate many crystals: in processes, and journaled, so that a killed run continues where it stopped."""

from collections.abc import Callable, Sequence
from functools import partial

from sunflow.crystals.crystal import Crystal
from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.relaxation.potential import Potential, load_potential
from sunflow.workers import Died, map_in_processes

Load = Callable[[], Potential]


def relax_all(
    crystals: Sequence[Crystal],
    load: Load,
    max_force: float,
    max_steps: int,
    timeout: float,
    journal: Journal,
    num_processes: int,
) -> list[Crystal]:
    """All crystals relaxed by `relax_crystal`, in their order, whatever the number of processes."""
    prepare = partial(_relaxing, load, max_force, max_steps, timeout)
    return _for_each(crystals, prepare, journal, num_processes, "relaxing")


def evaluate_all(crystals: Sequence[Crystal], load: Load, journal: Journal, num_processes: int) -> list[Crystal]:
    """All crystals with their energies by `single_point`, in their order."""
    return _for_each(crystals, partial(_evaluating, load), journal, num_processes, "evaluating")


def loader(potential: str) -> Load:
    """How a process gets the potential that the configuration calls `potential`."""
    return partial(load_potential, potential)


def _relaxing(load: Load, max_force: float, max_steps: int, timeout: float) -> Callable[[Crystal], Crystal]:
    from sunflow.relaxation.relaxer import relax_crystal

    return partial(relax_crystal, potential=load(), max_force=max_force, max_steps=max_steps, timeout=timeout)


def _evaluating(load: Load) -> Callable[[Crystal], Crystal]:
    from sunflow.relaxation.relaxer import single_point

    return partial(single_point, potential=load())


def _for_each(
    crystals: Sequence[Crystal],
    prepare: Callable[[], Callable[[Crystal], Crystal]],
    journal: Journal,
    num_processes: int,
    description: str,
) -> list[Crystal]:
    done = {record["crystal_id"]: Crystal.from_record(record) for record in journal.records}
    left = [crystal for crystal in crystals if crystal.crystal_id not in done]
    results = map_in_processes(prepare, left, num_processes)
    for index, result in progress(results, description, "crystals", total=len(left)):
        if isinstance(result, Died):
            result = left[index].failed(f"the process died twice on this crystal, exit code {result.exit_code}")
        journal.append(result.to_record())
        done[result.crystal_id] = result
    return [done[crystal.crystal_id] for crystal in crystals]
