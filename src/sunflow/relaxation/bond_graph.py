"""Which atoms of crystals are bonded, and which bonds enclose an angle."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sunflow.crystals.ragged import members, starts
from sunflow.relaxation.neighbors import Pairs


@dataclass(frozen=True)
class BondGraph:
    """Bonds, each seen from both of its ends, and the angles between short ones.

    End b is bond b seen from its first atom, end `bonds` + b the same bond seen from its second.

    Attributes:
        center: Atom that an end belongs to.
        neighbor: Atom at the other end of its bond.
        angle_atom: Atom at the vertex of an angle.
        angle_end: One of the two ends there.
        angle_other_end: The other.
        angle_bond: Bond of the first end.
        angle_other_bond: Bond of the second.
    """

    center: Int64[Tensor, " ends"]
    neighbor: Int64[Tensor, " ends"]
    angle_atom: Int64[Tensor, " angles"]
    angle_end: Int64[Tensor, " angles"]
    angle_other_end: Int64[Tensor, " angles"]
    angle_bond: Int64[Tensor, " angles"]
    angle_other_bond: Int64[Tensor, " angles"]


def bond_graph(bonds: Pairs, lengths: Float64[Tensor, " pairs"], angle_cutoff: float, num_atoms: int) -> BondGraph:
    """The graph of these bonds, with angles between bonds shorter than `angle_cutoff`; lengths in Å."""
    center = torch.cat([bonds.first, bonds.second])
    atom, end, other_end = _angles(center, lengths.repeat(2) < angle_cutoff, num_atoms)
    num_bonds = len(lengths)
    return BondGraph(
        center=center,
        neighbor=torch.cat([bonds.second, bonds.first]),
        angle_atom=atom,
        angle_end=end,
        angle_other_end=other_end,
        angle_bond=end % num_bonds if num_bonds else end,
        angle_other_bond=other_end % num_bonds if num_bonds else end,
    )


def _angles(
    center: Int64[Tensor, " ends"], short: Bool[Tensor, " ends"], num_atoms: int
) -> tuple[Int64[Tensor, " angles"], Int64[Tensor, " angles"], Int64[Tensor, " angles"]]:
    """All ordered pairs of different short ends at the same atom: the atom, one end, the other end."""
    ends = short.nonzero().squeeze(1)
    ends = ends[torch.argsort(center[ends], stable=True)]
    atoms = center[ends]
    group_sizes = torch.bincount(atoms, minlength=num_atoms)
    one, number = members(group_sizes[atoms])
    other = starts(group_sizes)[atoms[one]] + number
    one, other = one[one != other], other[one != other]
    return atoms[one], ends[one], ends[other]
