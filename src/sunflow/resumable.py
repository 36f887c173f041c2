"""Many pieces of work in processes, journaled, so that a killed run continues where it stopped."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from sunflow.journal import Journal
from sunflow.progress import progress
from sunflow.workers import Died, Prepare, map_in_processes

ITEMS_PER_RECORD = 16
"""Results that are journaled together: about a second of work."""


def map_resumable(
    prepare: Prepare,
    items: Sequence[Any],
    journal: Journal,
    num_processes: int,
    description: str,
    unit: str,
    of_died: Callable[[Any, Died], Any],
) -> list[Any]:
    """The results of all items, in their order, whatever the number of processes.

    Args:
        prepare: Called once in every process; returns the function that is applied to the items. Picklable.
        items: Picklable values.
        journal: Holds the results of an earlier, killed run, and gets the new ones; they are plain JSON.
        num_processes: How many processes, each with one thread.
        description: Of the work, for people.
        unit: Of the items, for people.
        of_died: What stands for the result of an item that ended its process.
    """
    results: dict[int, Any] = {index: result for record in journal.records for index, result in record["results"]}
    left = [index for index in range(len(items)) if index not in results]
    found = map_in_processes(prepare, [items[index] for index in left], num_processes)
    finished = iter(progress(found, description, unit, total=len(left)))
    while record := [
        (left[i], of_died(items[left[i]], result) if isinstance(result, Died) else result)
        for i, result in islice(finished, ITEMS_PER_RECORD)
    ]:
        journal.append({"results": record})
        results.update(record)
    return [results[index] for index in range(len(items))]
