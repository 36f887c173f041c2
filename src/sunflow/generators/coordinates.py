"""Where a Bayesian flow of fractional coordinates lives: on the torus, as it should, or in Euclidean space."""

import math
from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from sunflow.flows.bayesian_flow import BayesianFlow
from sunflow.flows.euclidean import GaussianBelief, GaussianFlow, denoised
from sunflow.flows.torus import VonMisesBelief, VonMisesFlow, to_angles, to_frac_coords, wrap


class Coordinates(ABC):
    """How the network's angles and the flow's variable x belong together."""

    @abstractmethod
    def flow(self, accuracies: Float[Tensor, " steps"], **choices: Any) -> BayesianFlow:
        """The flow of x."""

    @abstractmethod
    def encode(self, frac_coords: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The x of fractional coordinates."""

    @abstractmethod
    def decode(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The fractional coordinates of x, in [0, 1)."""

    @abstractmethod
    def angles(self, belief: Any) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "atoms 3"]]:
        """Mean and concentration of a belief, as angles."""

    @abstractmethod
    def move(self, belief: Any, displacement: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The estimate of x that lies so many radians from the mean of the belief."""

    def confined(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """An estimate of x as sampling takes it, which training does not."""
        return x


class TorusCoordinates(Coordinates):
    """x is an angle, and beliefs are von Mises (CrysBFN, section 4)."""

    def flow(self, accuracies: Float[Tensor, " steps"], **choices: Any) -> VonMisesFlow:
        """The flow of x."""
        return VonMisesFlow(accuracies, shape=(3,), **choices)

    def encode(self, frac_coords: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The x of fractional coordinates."""
        return to_angles(frac_coords)

    def decode(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The fractional coordinates of x, in [0, 1)."""
        return to_frac_coords(x)

    def angles(self, belief: VonMisesBelief) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "atoms 3"]]:
        """Mean and concentration of a belief, as angles."""
        return belief.mean, belief.concentration

    def move(self, belief: VonMisesBelief, displacement: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The estimate of x that lies so many radians from the mean of the belief."""
        return wrap(belief.mean + displacement)


class EuclideanCoordinates(Coordinates):
    """x is a number in [−1, 1) without periodicity, and beliefs are normal (the ablation of CrysBFN, table 3).

    The variance falls from 1 to 0.001, as a lattice's; an estimate and its loss are not wrapped.
    """

    FINAL_STD = 0.001**0.5

    def flow(self, accuracies: Float[Tensor, " steps"], **choices: Any) -> GaussianFlow:
        """The flow of x; of the accuracies it needs the number alone."""
        return GaussianFlow(len(accuracies), self.FINAL_STD, shape=(3,))

    def encode(self, frac_coords: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The x of fractional coordinates."""
        return to_angles(frac_coords) / math.pi

    def decode(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The fractional coordinates of x, in [0, 1)."""
        return to_frac_coords(math.pi * x)

    def angles(self, belief: GaussianBelief) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "atoms 3"]]:
        """Mean and concentration (inverse variance) of a belief, as angles."""
        concentration = belief.precision[:, None] / math.pi**2
        return math.pi * belief.mean, concentration.expand_as(belief.mean)

    def move(self, belief: GaussianBelief, displacement: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The estimate of x that lies so many radians from the mean of the belief."""
        return belief.mean + displacement / math.pi


class FractionalCoordinates(Coordinates):
    """x is the fractional coordinate itself, and beliefs are normal around 0 at first (SymmBFN, section 3).

    The network tells the noise in the belief. Estimates are brought into the cell in sampling alone: in training, an
    atom at 0.001 that is thought to be at −0.001 is not far away.

    Args:
        final_std: Of the belief after all observations.
    """

    def __init__(self, final_std: float) -> None:
        self.final_std = final_std

    def flow(self, accuracies: Float[Tensor, " steps"], **choices: Any) -> GaussianFlow:
        """The flow of x; of the accuracies it needs the number alone."""
        return GaussianFlow(len(accuracies), self.final_std, shape=(3,))

    def encode(self, frac_coords: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The x of fractional coordinates."""
        return frac_coords

    def decode(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The fractional coordinates of x, in [0, 1)."""
        return to_frac_coords(to_angles(x))

    def angles(self, belief: GaussianBelief) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, "atoms 3"]]:
        """Mean and concentration (inverse variance) of a belief, as angles that are not wrapped."""
        concentration = belief.precision[:, None] / (2 * math.pi) ** 2
        return 2 * math.pi * belief.mean, concentration.expand_as(belief.mean)

    def move(self, belief: GaussianBelief, displacement: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """The estimate of x where this is not a displacement but the noise in the belief."""
        return denoised(belief, displacement)

    def confined(self, x: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """An estimate of x in [0, 1)."""
        return self.decode(x)


COORDINATES: dict[str, Coordinates] = {"torus": TorusCoordinates(), "euclidean": EuclideanCoordinates()}
