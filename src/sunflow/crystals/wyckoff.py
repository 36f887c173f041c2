"""Atoms settle on Wyckoff positions: those of the site symmetry that was predicted, nearest to where they are."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sunflow.crystals.projection import orbits_closer_than, project, self_distances_below
from sunflow.crystals.ragged import members, starts
from sunflow.crystals.space_groups import SpaceGroups

CLOSEST = 0.5
"""Å; atoms of a valid crystal are farther apart."""
MAX_ROUNDS = 5
"""How often atoms choose anew, without the positions on which they came too close to others."""


@dataclass(frozen=True)
class Settled:
    """Atoms on their Wyckoff positions.

    Attributes:
        wyckoff: The position within its group, 0 for a.
        frac_coords: On the position's first representative but for lattice translations, in [0, 1); an operation of the
            group may have brought the atom there, which leaves the crystal as it is.
        moved: Whether the likeliest position could not be taken.
    """

    wyckoff: Int[Tensor, " atoms"]
    frac_coords: Float[Tensor, "atoms 3"]
    moved: Bool[Tensor, " atoms"]


@dataclass(frozen=True)
class Positions:
    """What every atom could settle on, the best first; rows are filled up to the length of the longest.

    Attributes:
        wyckoff: The positions within the group.
        frac_coords: Where the atom would be.
        open: Whether the position can be taken at all.
        fixed: Whether it has room for one atom only.
        confidence: Log-probability of the likeliest site symmetry.
    """

    wyckoff: Int[Tensor, "atoms positions"]
    frac_coords: Float[Tensor, "atoms positions 3"]
    open: Bool[Tensor, "atoms positions"]
    fixed: Bool[Tensor, "atoms positions"]
    confidence: Float[Tensor, " atoms"]


def settle(
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " crystals"],
    num_atoms: Int[Tensor, " crystals"],
    frac_coords: Float[Tensor, "atoms 3"],
    log_probabilities: Float[Tensor, "atoms 15 13"],
    lattice: Float[Tensor, "crystals 3 3"],
) -> Settled:
    """Every atom takes the Wyckoff position of the likeliest site symmetry, the nearest of several.

    Atoms choose one after another, those that are surest first. One goes on to its next best position where a position
    without degrees of freedom is taken, or where it would come closer than `CLOSEST` to its own images, as beside a
    mirror, or to an atom that is surer. Where nothing is left it stays with its best one, and the crystal is not valid.

    Args:
        space_groups: The tables.
        space_group: Of every crystal.
        num_atoms: Of every crystal, in its asymmetric unit.
        frac_coords: In units of the conventional cell.
        log_probabilities: Of the 13 operations along every axis.
        lattice: Rows are the conventional vectors, in Å.
    """
    crystal, _ = members(num_atoms, len(frac_coords))
    positions = _positions(space_groups, space_group[crystal], frac_coords, log_probabilities, lattice[crystal])
    pairs = _pairs(positions, crystal, num_atoms)
    for _ in range(MAX_ROUNDS):
        choice, moved = _choices(positions, crystal, num_atoms)
        chosen = (torch.arange(len(choice), device=choice.device), choice)
        surer, other = (positions.frac_coords[chosen][atoms] for atoms in pairs)
        of_pairs = (space_group[crystal[pairs[0]]], surer, other, lattice[crystal[pairs[0]]])
        clash = orbits_closer_than(CLOSEST, space_groups, *of_pairs)
        if not clash.any():
            break
        positions.open[pairs[1][clash], choice[pairs[1][clash]]] = False
    return Settled(positions.wyckoff[chosen], positions.frac_coords[chosen].to(frac_coords.dtype), moved)


def _positions(
    space_groups: SpaceGroups,
    space_group: Int[Tensor, " atoms"],
    frac_coords: Float[Tensor, "atoms 3"],
    log_probabilities: Float[Tensor, "atoms 15 13"],
    lattice: Float[Tensor, "atoms 3 3"],
) -> Positions:
    """The positions of every atom's group, in the order of its preference."""
    atom, wyckoff = members(space_groups.num_positions(space_group))
    group, position = space_group[atom], space_groups.position(space_group[atom], wyckoff)
    projected = project(space_groups, group, position, frac_coords[atom], lattice[atom])
    clash = self_distances_below(CLOSEST, space_groups, group, position, projected.frac_coords, lattice[atom])
    score = _scores(space_groups, position, log_probabilities, atom)

    def table(values: Tensor, missing: float = 0.0) -> Tensor:
        size = (len(space_group), int(wyckoff.max()) + 1, *values.shape[1:])
        return torch.full(size, missing, dtype=values.dtype, device=values.device).index_put((atom, wyckoff), values)

    scores = table(score, -torch.inf)
    order = table(projected.distance, torch.inf).argsort(dim=1, stable=True)
    order = order.take_along_dim(scores.take_along_dim(order, 1).argsort(dim=1, descending=True, stable=True), 1)
    return Positions(
        wyckoff=order,
        frac_coords=table(projected.frac_coords).take_along_dim(order[..., None], 1),
        open=table(~clash).take_along_dim(order, 1),
        fixed=table(space_groups.degrees_of_freedom[position] == 0).take_along_dim(order, 1),
        confidence=scores.amax(dim=1),
    )


def _scores(
    space_groups: SpaceGroups,
    position: Int[Tensor, " pairs"],
    log_probabilities: Float[Tensor, "atoms 15 13"],
    atom: Int[Tensor, " pairs"],
) -> Float[Tensor, " pairs"]:
    """Log-probability of the site symmetry of a position at an atom; exactly the same for equal site symmetries."""
    usable = torch.nan_to_num(log_probabilities.double(), nan=-torch.inf, posinf=0.0, neginf=-torch.inf)
    site_symmetry = space_groups.site_symmetries[position]
    scores = usable[atom].take_along_dim(site_symmetry[..., None], 2)[..., 0].sum(-1)
    place = torch.arange(len(position), device=position.device)
    return scores[place - (position - space_groups.first_alike[position])]


def _pairs(
    positions: Positions, crystal: Int[Tensor, " atoms"], num_atoms: Int[Tensor, " crystals"]
) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """All pairs of atoms of one crystal, the surer one first."""
    in_order = _surest_first(positions, crystal)
    last = starts(num_atoms)[crystal] + num_atoms[crystal] - 1
    first, distance = members(last - torch.arange(len(crystal), device=crystal.device))
    return in_order[first], in_order[first + 1 + distance]


def _surest_first(positions: Positions, crystal: Int[Tensor, " atoms"]) -> Int[Tensor, " atoms"]:
    """The atoms of the first crystal by their confidence, then those of the second, and so on."""
    surest = positions.confidence.argsort(descending=True, stable=True)
    return surest[crystal[surest].argsort(stable=True)]


def _choices(
    positions: Positions, crystal: Int[Tensor, " atoms"], num_atoms: Int[Tensor, " crystals"]
) -> tuple[Int[Tensor, " atoms"], Bool[Tensor, " atoms"]]:
    """Which of its positions every atom takes, counted from the best, and whether that is not the one it wanted.

    In every round each crystal's next atom chooses.
    """
    surest = _surest_first(positions, crystal)
    choice = torch.zeros_like(crystal)
    moved = torch.zeros_like(crystal, dtype=torch.bool)
    taken = torch.zeros(len(num_atoms), positions.open.shape[1], dtype=torch.bool, device=crystal.device)
    for turn in range(int(num_atoms.max())):
        there = (num_atoms > turn).nonzero()[:, 0]
        atom = surest[starts(num_atoms)[there] + turn]
        wyckoff = positions.wyckoff[atom]
        free = positions.open[atom] & ~taken[there].take_along_dim(wyckoff, 1)
        choice[atom] = best = free.int().argmax(1)
        moved[atom] = ~free[:, 0]
        which = (torch.arange(len(best), device=best.device), best)
        taken[there, wyckoff[which]] |= positions.fixed[atom][which]
    return choice, moved
