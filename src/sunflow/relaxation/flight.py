"""Crystals that are relaxed at the same time, in one batch; they come and go, and none disturbs another."""

import time
from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from sunflow.relaxation.coordinates import Coordinates
from sunflow.relaxation.descent import Descent, Landing
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.optimizer import Optimizer
from sunflow.relaxation.places import Place, places_of
from sunflow.relaxation.potential import Evaluation, Evaluator

STEPS_BETWEEN_LOOKS = 30
"""After so many steps, and again, it is looked whether atoms overlap."""


class Flight:
    """A batch of descents.

    Args:
        evaluator: Gives energies and forces.
        optimizer: Makes steps of them.
        limits: When a descent ends.
    """

    def __init__(self, evaluator: Evaluator, optimizer: Optimizer, limits: Limits) -> None:
        self.evaluator, self.optimizer, self.limits = evaluator, optimizer, limits
        self._clear()

    def _clear(self) -> None:
        self.descents: list[Descent] = []
        self._geometry = Geometry.of([], self.evaluator.device)
        self._memory = self.optimizer.start(0, 0, self.evaluator.device)

    def board(self, descents: Sequence[Descent]) -> None:
        """Take more on board."""
        new = Geometry.of([descent.begin for descent in descents], self.evaluator.device)
        memory = self.optimizer.start(len(new.positions) + 3 * len(new), len(new), self.evaluator.device)
        self.descents += descents
        self._geometry, self._memory = self._geometry.joined(new), self._memory.joined(memory)

    def unload(self) -> list[Descent]:
        """Let all go; they can go on later from where they are."""
        descents = self.descents
        for index, descent in enumerate(descents):
            descent.begin = self._geometry.crystal(index, descent.given)
        self._clear()
        return descents

    def advance(self) -> list[Landing]:
        """Evaluate once; crystals that have reached an end leave, the others take a step."""
        start = time.perf_counter()
        evaluation = self.evaluator.evaluate(self._geometry)
        coordinates = Coordinates(self._geometry)
        places = places_of(self._geometry, evaluation, coordinates.largest_forces(self._geometry, evaluation))
        landings = self._landings(places)
        self._leave_and_step({id(landing.descent) for landing in landings}, evaluation, coordinates)
        seconds = (time.perf_counter() - start) / len(places)
        for descent in self.descents:
            descent.steps += 1
            descent.seconds += seconds
        return landings

    def _landings(self, places: list[Place]) -> list[Landing]:
        landings = []
        for index, (descent, place) in enumerate(zip(self.descents, places, strict=True)):
            if descent.first_energy is None:
                descent.first_energy = place.energy_per_atom
            if self.limits.trajectory_interval and descent.steps % self.limits.trajectory_interval == 0:
                descent.frames.append(descent.frame(place, self._geometry.crystal(index, descent.given)))
            if descent.ends_at(place, self.limits) or self._is_stuck(index):
                landings.append(descent.landing(place, self._geometry.crystal(index, descent.given), self.limits))
        return landings

    def _is_stuck(self, index: int) -> bool:
        descent = self.descents[index]
        is_time = descent.steps > 0 and descent.steps % STEPS_BETWEEN_LOOKS == 0
        return is_time and descent.is_stuck(self._geometry.crystal(index, descent.given))

    def _leave_and_step(self, landed: set[int], evaluation: Evaluation, coordinates: Coordinates) -> None:
        flying = [id(descent) not in landed for descent in self.descents]
        stays: Bool[Tensor, " crystals"] = torch.tensor(flying, device=self.evaluator.device)
        slope = coordinates.slope(self._geometry, evaluation).where(stays)
        self._memory = self._memory.where(stays[coordinates.crystal_of_row], stays)
        self._geometry = self._geometry.where(stays)
        self.descents = [descent for descent, stay in zip(self.descents, flying, strict=True) if stay]
        if self.descents:
            step, self._memory = self.optimizer.step(self._memory, slope)
            self._geometry = Coordinates(self._geometry).moved(self._geometry, step)
