"""Move atoms and cells of many crystals to the nearest minima of a potential's energy."""

import logging
from collections import deque
from collections.abc import Iterator, Sequence

import torch

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.capacity import Capacity, is_out_of_memory
from sunflow.relaxation.descent import Descent, Landing
from sunflow.relaxation.fire import FIRE
from sunflow.relaxation.flight import Flight
from sunflow.relaxation.lbfgs import LBFGS
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.optimizer import Optimizer
from sunflow.relaxation.potential import Potential
from sunflow.relaxation.push_apart import pushed_apart
from sunflow.relaxation.screening import why_not, why_not_cell

logger = logging.getLogger(__name__)
OPTIMIZERS: dict[str, type[LBFGS] | type[FIRE]] = {"lbfgs": LBFGS, "fire": FIRE}
CAREFUL_TIME_STEP, CAREFUL_STEP = 0.02, 0.02


class Relaxer:
    """A potential on a device.

    Args:
        potential: Whose energy is minimised.
        limits: How, and how far.
        device: Where it works; a GPU where there is one, unless said otherwise.
    """

    def __init__(self, potential: Potential, limits: Limits, device: torch.device | None = None) -> None:
        self.potential, self.limits = potential, limits
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.evaluator = potential.evaluator(self.device)
        self.capacity = Capacity(self.device)

    def relax(self, crystals: Sequence[Crystal]) -> Iterator[Crystal]:
        """Yield every crystal once, in the order in which they finish, each after the frames of its trajectory.

        Its status is `ok`, `not_converged` (step limit or time-out) or `failed`, and the reason says why; one that
        has failed already stays as it is. Properties: `energy_per_atom` and `initial_energy_per_atom` (eV/atom),
        `max_force` (eV/Å), `max_stress` (GPa), `steps`, `attempts`, `rmsd` (Å), `volume_change` (relative),
        `space_group` and `space_group_initial` (at 0.1 Å).
        """
        waiting: deque[Descent] = deque()
        for crystal in crystals:
            begin = self._screened(crystal)
            if begin.status == "failed":
                yield begin
            else:
                waiting.append(Descent(crystal, begin))
        astray: list[Descent] = []
        for landing in self._descend(waiting, OPTIMIZERS[self.limits.optimizer]()):
            if landing.is_astray:
                astray.append(landing.descent)
            else:
                yield from (*landing.descent.frames, landing.crystal)
        again = deque(Descent(descent.given, self._screened(descent.given), attempt=2) for descent in astray)
        for landing in self._descend(again, FIRE(CAREFUL_TIME_STEP, CAREFUL_STEP)):
            yield from (*landing.descent.frames, landing.crystal)

    def _screened(self, crystal: Crystal) -> Crystal:
        """Where the descent begins, or the crystal failed with the reason why there is none."""
        if crystal.status == "failed":
            return crystal
        if self.limits.overlaps == "push_apart" and not why_not_cell(crystal.lattice, crystal.num_atoms):
            crystal = pushed_apart(crystal)
        reason = why_not(crystal, self.potential.atomic_numbers)
        return crystal.failed(reason) if reason else crystal

    def _descend(self, waiting: deque[Descent], optimizer: Optimizer) -> Iterator[Landing]:
        """All ways down, as many at a time as fit; who waits enters when others have left."""
        flight = Flight(self.evaluator, optimizer, self.limits)
        size = 0.0
        while waiting or flight.descents:
            size = self._fill(flight, waiting, size)
            try:
                landings = flight.advance()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                yield from self._make_room(flight, waiting, size, optimizer)
                size = 0.0
                continue
            self.capacity.learn(size)
            yield from landings
            size -= sum(self._size(landing.descent) for landing in landings)

    def _fill(self, flight: Flight, waiting: deque[Descent], size: float) -> float:
        """Let in who fits, and one in any case; the size of all on board, in bonds."""
        boarding: list[Descent] = []
        while waiting:
            larger = size + self._size(waiting[0])
            if (flight.descents or boarding) and larger > self.capacity.bonds:
                break
            boarding.append(waiting.popleft())
            size = larger
        if boarding:
            flight.board(boarding)
        return size

    def _make_room(
        self, flight: Flight, waiting: deque[Descent], size: float, optimizer: Optimizer
    ) -> Iterator[Landing]:
        """Send all back to the queue and halve the batch; a crystal that does not even fit alone goes to the CPU."""
        descents = flight.unload()
        self.capacity.halve(size)
        if len(descents) > 1:
            logger.warning("out of memory with %d crystals at once: on with half of them", len(descents))
            waiting.extendleft(reversed(descents))
        elif self.device.type != "cpu":
            logger.warning("out of memory with one crystal, %s: it goes to the CPU", descents[0].given.crystal_id)
            on_cpu = Relaxer(self.potential, self.limits, torch.device("cpu"))
            yield from on_cpu._descend(deque(descents), optimizer)
        else:
            yield Landing(descents[0], descents[0].failed("out of memory"))

    def _size(self, descent: Descent) -> float:
        return self.evaluator.size(descent.begin)
