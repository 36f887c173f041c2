"""Requested crystals, sampled batch by batch."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.elements import SYMBOLS
from sunflow.generators.generator import Generator
from sunflow.generators.requests import Request, condition
from sunflow.journal import Journal
from sunflow.stages.command import StageError
from sunflow.training.precision import Precision
from sunflow.training.seeds import stream_seed

MAX_TRIES = 20
"""How often a crystal that lacks an element of its chemical system is sampled anew."""


@dataclass
class Sampling:
    """The batches of one sampling; a crystal depends on the seed and its request.

    On its batch it depends by rounding alone, which the sampler `redraw` magnifies over its steps: the same seed gives
    the same crystals at the same batch size.

    Attributes:
        settings: `batch_size`, `sampler`, `seed`.
        known: Atomic numbers that the generator knows.
        elements: Those that crystals may be made of; None allows all.
        required: Those that every crystal must hold.
    """

    generator: Generator
    settings: dict[str, Any]
    device: torch.device
    journal: Journal
    known: Collection[int]
    elements: Collection[int] | None = None
    required: Collection[int] = field(default_factory=tuple)

    def crystals(self, requests: Sequence[Request]) -> Iterator[Crystal]:
        """All crystals in order: those of the journal, then new ones, batch by batch."""
        size = self.settings["batch_size"]
        for batch, first in enumerate(range(0, len(requests), size)):
            if batch == len(self.journal.records):
                self._sample(requests[first : first + size])
            yield from map(Crystal.from_record, self.journal.records[batch]["crystals"])

    @property
    def seconds(self) -> float:
        """What the network took for all batches of the journal."""
        return sum(record["network_seconds"] for record in self.journal.records)

    def _sample(self, requests: Sequence[Request]) -> None:
        """Sample one batch and enter it in the journal."""
        start = time.perf_counter()
        made = {request.crystal_id: failure for request in requests if (failure := self._impossible(request))}
        for attempt in range(1, MAX_TRIES + 1):
            left = [request for request in requests if request.crystal_id not in made]
            for crystal in self._attempt(left, attempt) if left else ():
                missing = set(self.required) - set(crystal.atomic_numbers.tolist())
                if not missing or crystal.status == "failed":
                    made[crystal.crystal_id] = crystal
                elif attempt == MAX_TRIES:
                    names = ", ".join(SYMBOLS[z - 1] for z in sorted(missing))
                    made[crystal.crystal_id] = crystal.failed(f"lacks {names} in each of {MAX_TRIES} tries")
        records = [made[request.crystal_id].to_record() for request in requests]
        self.journal.append({"network_seconds": time.perf_counter() - start, "crystals": records})

    def _attempt(self, requests: Sequence[Request], attempt: int) -> Iterator[Crystal]:
        """One crystal per request, with noise of this attempt's own."""
        again = f", attempt {attempt}" if attempt > 1 else ""
        seeds = [stream_seed(self.settings["seed"], each.stream + again, each.number) for each in requests]
        given = condition(requests, self.elements, self.settings.get("guidance", 1.0)).to(self.device)
        try:
            with Precision("auto", self.device).autocast():
                generated = self.generator.sample(given, seeds, self.settings["sampler"])
        except torch.OutOfMemoryError as error:
            raise StageError(f"the GPU's memory is too small for sampling.batch_size: lower it ({error})") from error
        except ValueError as error:
            raise StageError(str(error)) from error
        crystals = generated.to("cpu").to_crystals([request.crystal_id for request in requests])
        for request, crystal in zip(requests, crystals, strict=True):
            yield checked(crystal).with_properties(**request.properties)

    def _impossible(self, request: Request) -> Crystal | None:
        """The failure of a request for elements that the generator does not know."""
        unknown = sorted(set(request.atomic_numbers or ()) - set(self.known))
        if not unknown:
            return None
        reason = f"the train split has no {', '.join(SYMBOLS[z - 1] for z in unknown)}"
        return Crystal.failure(request.crystal_id, reason, **request.properties)


def checked(crystal: Crystal) -> Crystal:
    """The crystal, or a failure that says why if its numbers are not finite."""
    if crystal.status == "failed":
        return crystal
    for name in ("lattice", "frac_coords"):
        if not np.isfinite(getattr(crystal, name)).all():
            return Crystal.failure(crystal.crystal_id, f"the generated {name} is not finite")
    return crystal
