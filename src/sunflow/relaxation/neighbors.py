"""Which atoms are near each other, for many crystals at once, remembered while they move little."""

from dataclasses import dataclass, fields, replace
from math import pi

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.ragged import members, starts
from sunflow.relaxation.geometry import Geometry


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms, each once: atom `first` in its place and the image of atom `second` by `images` cells.

    Attributes:
        first: Index of an atom of the batch.
        second: Index of an atom of the same crystal.
        images: Whole numbers, along the lattice vectors.
        crystal: Index of their crystal.
    """

    first: Int64[Tensor, " pairs"]
    second: Int64[Tensor, " pairs"]
    images: Float64[Tensor, "pairs 3"]
    crystal: Int64[Tensor, " pairs"]

    def vectors(self, geometry: Geometry) -> Float64[Tensor, "pairs 3"]:
        """From first to second atom, in Å."""
        shifts = torch.einsum("pi,pij->pj", self.images, geometry.lattices[self.crystal])
        return geometry.positions[self.second] - geometry.positions[self.first] + shifts

    def where(self, chosen: Bool[Tensor, " pairs"]) -> "Pairs":
        """The chosen ones."""
        return Pairs(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def joined(self, other: "Pairs") -> "Pairs":
        """These, and then others of the same batch."""
        return Pairs(*(torch.cat([getattr(self, field.name), getattr(other, field.name)]) for field in fields(self)))

    def lonely(self, num_atoms: int) -> Bool[Tensor, " atoms"]:
        """Which of the atoms are in no pair."""
        lonely = torch.ones(num_atoms, dtype=torch.bool, device=self.first.device)
        lonely[self.first] = lonely[self.second] = False
        return lonely


def pairs_within(cutoff: float, geometry: Geometry, crystals: Int64[Tensor, " chosen"]) -> Pairs:
    """All pairs no farther apart than `cutoff` (Å), an atom and its own images included, in the chosen crystals.

    One of the two directions of every pair is kept: the image whose first non-zero number is positive or, in the same
    cell, the lower atom first.
    """
    inverse = torch.linalg.inv(geometry.lattices)
    cells = torch.floor(torch.einsum("ai,aij->aj", geometry.positions, inverse[geometry.crystal_of_atom]))
    spacings = 1 / inverse[crystals].norm(dim=1)
    image, image_crystal = _images(torch.ceil(cutoff / spacings).long(), crystals)
    first, second, which = _combinations(geometry, image_crystal)
    images = image[which].double()
    kept = (images != 0).any(dim=1) | (first < second)
    first, second, images = first[kept], second[kept], images[kept]
    pairs = Pairs(first, second, images + cells[first] - cells[second], image_crystal[which[kept]])
    return pairs.where((pairs.vectors(geometry) ** 2).sum(dim=1) <= cutoff**2)


def _images(
    most: Int64[Tensor, "chosen 3"], crystals: Int64[Tensor, " chosen"]
) -> tuple[Int64[Tensor, "images 3"], Int64[Tensor, " images"]]:
    """Half of the images up to `most` cells away on every axis, the cell itself included, and their crystals."""
    widths = 2 * most + 1
    counts = widths.prod(dim=1)
    owner, number = members(counts)
    z = number % widths[owner, 2]
    y = number // widths[owner, 2] % widths[owner, 1]
    x = number // (widths[owner, 2] * widths[owner, 1])
    forward = number >= counts[owner] // 2
    return (torch.stack([x, y, z], dim=1) - most[owner])[forward], crystals[owner][forward]


def _combinations(
    geometry: Geometry, image_crystal: Int64[Tensor, " images"]
) -> tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"], Int64[Tensor, " pairs"]]:
    """Every atom with every atom of its crystal in every image: first atom, second atom, index of the image."""
    num_atoms = geometry.num_atoms[image_crystal]
    first_atom = starts(geometry.num_atoms)[image_crystal]
    which, number = members(num_atoms**2)
    first = first_atom[which] + number // num_atoms[which]
    return first, first_atom[which] + number % num_atoms[which], which


def expected_pairs(crystal: Crystal, cutoff: float) -> float:
    """How many pairs within `cutoff` (Å) a crystal has to judge by its density; what its evaluation costs."""
    return crystal.num_atoms**2 / crystal.volume * 2 / 3 * pi * cutoff**3


class NeighborList:
    """Pairs within a cutoff, searched anew for a crystal only when it has moved enough for the list to miss one.

    The list reaches `skin` beyond the cutoff. With F the deformation of the cell since it was made and u the motion of
    the atoms besides, a pair that was outside is at least σ_min(F) (cutoff + skin) - 2 max |u| apart.

    Args:
        cutoff: Å.
        skin: Å.
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self.cutoff, self.skin = cutoff, skin
        self._made: Geometry | None = None
        self._pairs: Pairs

    def pairs(self, geometry: Geometry) -> Pairs:
        """Pairs of all crystals, some of them up to two skins farther apart than the cutoff."""
        device = geometry.num_atoms.device
        if self._made is None or not self._made.keys:
            self._pairs = pairs_within(self.cutoff + self.skin, geometry, torch.arange(len(geometry), device=device))
            self._made = geometry
            return self._pairs
        if self._made.keys != geometry.keys:
            self._follow(geometry)
        stale = self._stale(geometry)
        if bool(stale.any()):
            renewed = pairs_within(self.cutoff + self.skin, geometry, stale.nonzero().squeeze(1))
            self._pairs = self._pairs.where(~stale[self._pairs.crystal]).joined(renewed)
            self._made = _mixed(self._made, geometry, stale)
        return self._pairs

    def _stale(self, geometry: Geometry) -> Bool[Tensor, " crystals"]:
        made, owner = self._made, geometry.crystal_of_atom
        assert made is not None
        deformation = torch.linalg.solve(made.lattices, geometry.lattices)
        motion = geometry.positions - torch.einsum("ai,aij->aj", made.positions, deformation[owner])
        farthest = torch.zeros_like(geometry.volumes).scatter_reduce(0, owner, motion.norm(dim=1), "amax")
        identity = torch.eye(3, dtype=deformation.dtype, device=deformation.device)
        least_stretch = 1 - (deformation - identity).norm(dim=(1, 2))
        return ~(least_stretch * (self.cutoff + self.skin) - 2 * farthest >= self.cutoff)

    def _follow(self, geometry: Geometry) -> None:
        """Renumber what is known when crystals have left or come; new ones count as moved infinitely far."""
        made = self._made
        assert made is not None
        places = {key: place for place, key in enumerate(made.keys)}
        device = geometry.num_atoms.device
        old = torch.tensor([places.get(key, -1) for key in geometry.keys], dtype=torch.int64, device=device)
        self._pairs = _renumbered(self._pairs, made, geometry, old)
        self._made = _remembered(made, geometry, old)


def _renumbered(pairs: Pairs, made: Geometry, geometry: Geometry, old: Int64[Tensor, " crystals"]) -> Pairs:
    new = torch.full((len(made),), -1, device=old.device)
    known = old >= 0
    new[old[known]] = torch.arange(len(geometry), device=old.device)[known]
    pairs = pairs.where(new[pairs.crystal] >= 0)
    crystal = new[pairs.crystal]
    offset = starts(geometry.num_atoms)[crystal] - starts(made.num_atoms)[pairs.crystal]
    return Pairs(pairs.first + offset, pairs.second + offset, pairs.images, crystal)


def _remembered(made: Geometry, geometry: Geometry, old: Int64[Tensor, " crystals"]) -> Geometry:
    """The geometry in which the list was made, in today's order; not a number for crystals that are new."""
    known = old >= 0
    owner, number = members(geometry.num_atoms)
    lattices = torch.where(known[:, None, None], made.lattices[old.clamp(min=0)], geometry.lattices)
    known_atom = known[owner]
    place = torch.where(known_atom, starts(made.num_atoms)[old.clamp(min=0)][owner] + number, 0)
    positions = torch.where(known_atom[:, None], made.positions[place], torch.nan)
    return replace(geometry, lattices=lattices, positions=positions)


def _mixed(made: Geometry, geometry: Geometry, stale: Bool[Tensor, " crystals"]) -> Geometry:
    lattices = torch.where(stale[:, None, None], geometry.lattices, made.lattices)
    positions = torch.where(stale[geometry.crystal_of_atom][:, None], geometry.positions, made.positions)
    return replace(geometry, lattices=lattices, positions=positions)
