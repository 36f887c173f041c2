"""One crystal's way down, and what is told about it at the end."""

from dataclasses import dataclass, field, replace

import numpy as np

from sunflow.crystals.crystal import Crystal, Status
from sunflow.crystals.structures import space_group
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.places import Place
from sunflow.relaxation.screening import why_not_cell, why_not_positions


@dataclass(frozen=True)
class Landing:
    """The end of a descent.

    Attributes:
        descent: Whose.
        crystal: What came of it.
        is_astray: True where the optimiser lost its way; smaller steps may fare better.
    """

    descent: "Descent"
    crystal: Crystal
    is_astray: bool = False


@dataclass
class Descent:
    """A crystal on its way.

    Attributes:
        given: As it was handed in.
        begin: Where this way begins, or goes on after an interruption.
        attempt: 1, or 2 for the careful one.
        steps: Steps taken.
        seconds: Its share of the evaluator's time.
        first_energy: eV/atom, at the beginning.
        frames: Structures on the way, where a trajectory is asked for.
        overlapped: Whether atoms overlapped when it was last looked at.
    """

    given: Crystal
    begin: Crystal
    attempt: int = 1
    steps: int = 0
    seconds: float = 0.0
    first_energy: float | None = None
    frames: list[Crystal] = field(default_factory=list)
    overlapped: bool = False

    def is_stuck(self, crystal: Crystal) -> bool:
        """Whether atoms of the structure overlap, and did so when last asked: a potential's holes let nothing out."""
        before, self.overlapped = self.overlapped, bool(why_not_positions(crystal))
        return before and self.overlapped

    def ends_at(self, place: Place, limits: Limits) -> bool:
        """Whether the descent goes no farther than this place."""
        lost = place.is_absurd or bool(place.refusal)
        exhausted = self.steps >= limits.max_steps or self.seconds > limits.timeout
        return lost or exhausted or place.force <= limits.max_force

    def landing(self, place: Place, crystal: Crystal, limits: Limits) -> Landing:
        """The end at this place, where the structure is that of `crystal`."""
        if place.refusal and not self.steps:
            return Landing(self, self.failed(place.refusal))
        if reason := _what_is_wrong(place, crystal):
            return Landing(self, self.failed(f"numerical failure: {reason}"), is_astray=True)
        if place.force <= limits.max_force:
            return Landing(self, self._ended(place, crystal, "ok", ""))
        cause = "time-out" if self.seconds > limits.timeout else "step limit"
        reason = f"{cause}: forces of {place.force:.2g} eV/Å after {self.steps} steps"
        return Landing(self, self._ended(place, crystal, "not_converged", reason))

    def failed(self, reason: str) -> Crystal:
        """The crystal as it was given, with the reason why there is no better one."""
        return self.given.with_properties(steps=self.steps, attempts=self.attempt).failed(reason)

    def frame(self, place: Place, crystal: Crystal) -> Crystal:
        """A place on the way, named after crystal and step."""
        bare = replace(crystal, crystal_id=f"{self.given.crystal_id}/{self.steps:05d}", properties={})
        return bare.with_properties(
            frame_of=self.given.crystal_id, steps=self.steps, energy_per_atom=place.energy_per_atom
        )

    def _ended(self, place: Place, crystal: Crystal, status: Status, reason: str) -> Crystal:
        final = crystal.with_properties(
            initial_energy_per_atom=self.first_energy,
            energy_per_atom=place.energy_per_atom,
            max_force=place.force,
            max_stress=place.stress,
            steps=self.steps,
            attempts=self.attempt,
            rmsd=rmsd(self.given, crystal),
            volume_change=crystal.volume / self.given.volume - 1,
            space_group_initial=space_group(self.given),
            space_group=space_group(crystal),
        )
        return replace(final, status=status, reason=reason)


def _what_is_wrong(place: Place, crystal: Crystal) -> str:
    """Why this is no crystal any more, as a phrase; empty if it is one."""
    if place.refusal:
        return place.refusal
    if reason := why_not_cell(crystal.lattice, crystal.num_atoms):
        return reason
    if place.is_absurd:
        return f"{place.energy_per_atom:.3g} eV/atom, {place.force:.3g} eV/Å"
    return why_not_positions(crystal)


def rmsd(one: Crystal, other: Crystal) -> float:
    """Root mean square displacement in Å from one structure to another with the same atoms in the same order.

    Every atom goes to its nearest image; the strain of the cell and the drift of all atoms are left out (fractional
    displacements less their mean, measured in the mean of the two cells).
    """
    moved = other.frac_coords - one.frac_coords
    moved -= np.round(moved)
    moved -= moved.mean(axis=0)
    displacements = moved @ ((one.lattice + other.lattice) / 2)
    return float(np.sqrt((displacements**2).sum(axis=1).mean()))
