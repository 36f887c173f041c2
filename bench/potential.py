"""CHGNet in batches against the `chgnet` package, crystal by crystal."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from chgnet.model import CHGNet

from bench.samples import real
from bench.timing import cpu_seconds, print_against
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.relaxation.chgnet import load
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.parallel import CRYSTALS_ON_CPU
from sunflow.relaxation.places import EV_PER_CUBIC_ANGSTROM

BOUNDS = {"energy": (1e-5, "eV/atom"), "forces": (1e-4, "eV/Å"), "stress": (1e-3, "GPa")}
DOUBLE = [patch(f"chgnet.{module}.TORCH_DTYPE", torch.float64) for module in ("model.model", "graph.converter")]


@dataclass(frozen=True)
class Answer:
    """What a network says of one crystal, in the units of BOUNDS."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray

    def difference(self, other: "Answer", part: str) -> float:
        """The largest one of an entry."""
        return float(np.abs(getattr(self, part) - getattr(other, part)).max())


class Package:
    """The package's model, asked for one crystal at a time."""

    def __init__(self) -> None:
        self.model = CHGNet.load(use_device="cpu", verbose=False)

    def ask(self, crystals: Sequence[Crystal]) -> list[Answer]:
        """Energies, forces and stresses, from two backward passes each."""
        told = (self.model.predict_structure(to_structure(crystal), task="efs") for crystal in crystals)
        return [Answer(np.asarray(each["e"]), each["f"], each["s"]) for each in told]

    def ask_in_double_precision(self, crystals: Sequence[Crystal]) -> list[Answer]:
        """The same from weights that are converted for good; only the atoms' own energies stay as they were."""
        self.model.double()
        self.model.composition_model.float()  # it reads counts of atoms in single precision
        with DOUBLE[0], DOUBLE[1]:
            return self.ask(crystals)


class Ours:
    """The evaluator of the relaxer."""

    def __init__(self) -> None:
        self.evaluator = load().evaluator(torch.device("cpu"))

    def ask(self, crystals: Sequence[Crystal]) -> list[Answer]:
        """The same, in batches of as many crystals as a group of `relax_all` has."""
        return [
            answer
            for start in range(0, len(crystals), CRYSTALS_ON_CPU)
            for answer in self._of_batch(Geometry.of(crystals[start : start + CRYSTALS_ON_CPU], self.evaluator.device))
        ]

    def _of_batch(self, geometry: Geometry) -> list[Answer]:
        told = self.evaluator.evaluate(geometry)
        energies = (told.energies / geometry.num_atoms).numpy()
        forces = [each.numpy() for each in told.forces.split(geometry.num_atoms.tolist())]
        return [
            Answer(*each) for each in zip(energies, forces, EV_PER_CUBIC_ANGSTROM * told.stresses.numpy(), strict=True)
        ]

    def ask_in_double_precision(self, crystals: Sequence[Crystal]) -> list[Answer]:
        """The same from weights that are converted for good."""
        self.evaluator.network.double()
        return self.ask(crystals)


def potential(repeats: int, mirror: Path | None = None, crystals: int = 200) -> None:
    """Energies, forces and stresses of real crystals."""
    sample = real(mirror, crystals)
    package, ours = Package(), Ours()
    variants: dict[str, Package | Ours] = {"chgnet package, one by one": package, f"batches of {CRYSTALS_ON_CPU}": ours}
    print(f"{len(sample)} crystals of MP-20's test split, {sum(crystal.num_atoms for crystal in sample)} atoms")
    theirs, told = (variant.ask(sample) for variant in variants.values())
    beyond = _print_differences(sample, theirs, told)
    seconds = cpu_seconds({name: partial(variant.ask, sample) for name, variant in variants.items()}, repeats)
    print_against("chgnet package, one by one", seconds)
    for name, value in seconds.items():
        print(f"{name:32s} {1000 * value / len(sample):8.2f} ms of CPU a crystal")
    exact = ours.ask_in_double_precision(sample)
    print("Largest errors, from the same network in double precision: the package's, ours")
    _print_errors(theirs, told, exact)
    for index, of_package in zip(beyond, package.ask_in_double_precision([sample[i] for i in beyond]), strict=True):
        print(f"{sample[index].crystal_id}: the package's, ours; the package in double precision from ours in double")
        _print_errors([theirs[index]], [told[index]], [exact[index]], of_package)


def _print_differences(crystals: Sequence[Crystal], theirs: list[Answer], ours: list[Answer]) -> list[int]:
    """One line per quantity; returns which crystals exceed a bound."""
    beyond = set()
    for part, (bound, unit) in BOUNDS.items():
        each = np.array([one.difference(other, part) for one, other in zip(ours, theirs, strict=True)])
        worst = crystals[int(each.argmax())].crystal_id
        beyond |= set(np.flatnonzero(~(each <= bound)).tolist())
        percentile = np.percentile(each, 99)
        print(f"{part:8s} at most {each.max():.1e} ({worst}), 99 % {percentile:.1e}, bound {bound:.0e} {unit}")
    return sorted(beyond)


def _print_errors(theirs: list[Answer], ours: list[Answer], exact: list[Answer], other: Answer | None = None) -> None:
    for part, (_, unit) in BOUNDS.items():
        largest = [max(map(Answer.difference, given, exact, repeat(part))) for given in (theirs, ours)]
        apart = "" if other is None else f"; {other.difference(exact[0], part):.1e}"
        print(f"  {part:8s} {largest[0]:.1e}, {largest[1]:.1e}{apart} {unit}")
