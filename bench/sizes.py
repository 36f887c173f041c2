"""The sizes of the crystals of MP-20, for batches that cost what those of the dataset cost."""

import torch
from torch import Tensor

#: How many crystals of the validation split have 1, 2, … 20 atoms.
MP20 = [21, 191, 205, 1377, 461, 727, 227, 712, 290, 829, 113, 926, 201, 616, 141, 613, 72, 501, 103, 721]
#: Space group and orbits of the asymmetric units of the validation split, at 64 equally spaced places in order of size.
MP20_ASYMMETRIC_UNITS = [
    (15, 2),
    (74, 2),
    (164, 2),
    (194, 2),
    (204, 2),
    (221, 2),
    (225, 2),
    (14, 3),
    (62, 3),
    (62, 3),
    (70, 3),
    (122, 3),
    (129, 3),
    (139, 3),
    (139, 3),
    (141, 3),
    (164, 3),
    (166, 3),
    (187, 3),
    (194, 3),
    (198, 3),
    (221, 3),
    (225, 3),
    (225, 3),
    (225, 3),
    (225, 3),
    (225, 3),
    (225, 3),
    (227, 3),
    (12, 4),
    (33, 4),
    (62, 4),
    (65, 4),
    (107, 4),
    (129, 4),
    (139, 4),
    (148, 4),
    (187, 4),
    (189, 4),
    (225, 4),
    (225, 4),
    (225, 4),
    (12, 5),
    (38, 5),
    (63, 5),
    (74, 5),
    (139, 5),
    (166, 5),
    (216, 5),
    (12, 6),
    (14, 6),
    (47, 6),
    (74, 6),
    (164, 6),
    (12, 7),
    (38, 7),
    (187, 7),
    (26, 8),
    (1, 9),
    (38, 9),
    (7, 10),
    (38, 11),
    (156, 12),
    (1, 18),
]


def mp20_sizes(num_crystals: int) -> Tensor:
    """Numbers of atoms at equally spaced quantiles of the dataset, so that every batch is typical and the same."""
    cumulative = torch.tensor(MP20).cumsum(0)
    places = (torch.arange(num_crystals) + 0.5) / num_crystals * cumulative[-1]
    return torch.searchsorted(cumulative, places) + 1
