"""Many crystals in flat tensors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.space_groups import LETTERS

Index = slice | Tensor


@dataclass(frozen=True)
class CrystalBatch:
    """Crystals one after another: the atoms of the first, then those of the second, and so on.

    Attributes:
        lattice: Rows are lattice vectors, in Å.
        frac_coords: In [0, 1).
        atomic_numbers: Z of every atom.
        num_atoms: Atoms of every crystal.
        space_group: 1 … 230, of asymmetric units: their lattices are conventional ones, and of every orbit one atom
            is there.
        wyckoff: The Wyckoff position of every atom of an asymmetric unit, by the place of its letter, 0 for a.
        properties: Of every crystal, in the units of the dataset; not a number where a crystal has none.
        num_pairs: Ordered pairs of atoms of one crystal, an atom with itself included, where the host knows how many
            there are: a GPU need not be asked then.
        failures: Crystals that could not be made, by their index, and why; their numbers mean nothing.
    """

    lattice: Float[Tensor, "crystals 3 3"]
    frac_coords: Float[Tensor, "atoms 3"]
    atomic_numbers: Int[Tensor, " atoms"]
    num_atoms: Int[Tensor, " crystals"]
    space_group: Int[Tensor, " crystals"] | None = None
    wyckoff: Int[Tensor, " atoms"] | None = None
    properties: Mapping[str, Float[Tensor, " crystals"]] = field(default_factory=dict)
    num_pairs: int | None = None
    failures: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.num_atoms)

    @property
    def crystal_of_atom(self) -> Int[Tensor, " atoms"]:
        """Index of the crystal that each atom belongs to."""
        indices = torch.arange(len(self), device=self.num_atoms.device)
        return torch.repeat_interleave(indices, self.num_atoms, output_size=len(self.atomic_numbers))

    def to(self, device: torch.device | str) -> "CrystalBatch":
        """The same crystals on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, function: Callable[[Tensor], Tensor]) -> "CrystalBatch":
        """The batch with the function applied to each of its tensors."""
        return self._rebuilt(function, function, self.num_pairs, self.failures)

    def part(self, crystals: Index, atoms: Index, num_pairs: int | None = None) -> "CrystalBatch":
        """Some of the crystals, by their places, with their atoms, by theirs."""
        return self._rebuilt(lambda tensor: tensor[crystals], lambda tensor: tensor[atoms], num_pairs, {})

    def _rebuilt(
        self,
        of_crystals: Callable[[Tensor], Tensor],
        of_atoms: Callable[[Tensor], Tensor],
        num_pairs: int | None,
        failures: Mapping[int, str],
    ) -> "CrystalBatch":
        return type(self)(
            lattice=of_crystals(self.lattice),
            frac_coords=of_atoms(self.frac_coords),
            atomic_numbers=of_atoms(self.atomic_numbers),
            num_atoms=of_crystals(self.num_atoms),
            space_group=None if self.space_group is None else of_crystals(self.space_group),
            wyckoff=None if self.wyckoff is None else of_atoms(self.wyckoff),
            properties={name: of_crystals(values) for name, values in self.properties.items()},
            num_pairs=num_pairs,
            failures=failures,
        )

    @classmethod
    def from_crystals(cls, crystals: Sequence[Crystal], properties: Sequence[str] = ()) -> "CrystalBatch":
        """Stack crystals or asymmetric units, with these of their properties, in single precision."""
        asymmetric = all(crystal.is_asymmetric_unit for crystal in crystals)
        return cls(
            lattice=torch.tensor([crystal.lattice.tolist() for crystal in crystals], dtype=torch.float32).reshape(
                -1, 3, 3
            ),
            frac_coords=torch.cat([torch.tensor(crystal.frac_coords, dtype=torch.float32) for crystal in crystals]),
            atomic_numbers=torch.cat([torch.tensor(crystal.atomic_numbers) for crystal in crystals]),
            num_atoms=torch.tensor([crystal.num_atoms for crystal in crystals]),
            space_group=_space_groups(crystals) if asymmetric else None,
            wyckoff=_wyckoff_positions(crystals) if asymmetric else None,
            properties={name: torch.tensor([_number(each, name) for each in crystals]) for name in properties},
        )

    def to_crystals(self, crystal_ids: Sequence[str]) -> list[Crystal]:
        """The crystals one by one, under these names, with their properties; failures are failed ones without atoms."""
        sizes = self.num_atoms.tolist()
        columns = (self.frac_coords.double().cpu().split(sizes), self.atomic_numbers.cpu().split(sizes))
        rows = zip(crystal_ids, self.lattice.double().cpu(), *columns, strict=True)
        crystals = [
            Crystal.failure(crystal_id, self.failures[index])
            if index in self.failures
            else Crystal(crystal_id, lattice.numpy(), frac_coords.numpy(), atomic_numbers.numpy())
            for index, (crystal_id, lattice, frac_coords, atomic_numbers) in enumerate(rows)
        ]
        for name, values in self.properties.items():
            crystals = [
                crystal.with_properties(**{name: value})
                for crystal, value in zip(crystals, values.tolist(), strict=True)
            ]
        return crystals


def _space_groups(asymmetric_units: Sequence[Crystal]) -> Int[Tensor, " crystals"]:
    return torch.tensor([int(str(unit.properties["space_group"])) for unit in asymmetric_units])


def _wyckoff_positions(asymmetric_units: Sequence[Crystal]) -> Int[Tensor, " atoms"]:
    letters = "".join(str(unit.properties["wyckoff"]) for unit in asymmetric_units)
    return torch.tensor([LETTERS.index(letter) for letter in letters])


def _number(crystal: Crystal, name: str) -> float:
    """A property as a number, which None and text are not."""
    value = crystal.properties.get(name)
    return float(value) if isinstance(value, int | float) else math.nan
