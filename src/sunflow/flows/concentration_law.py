"""How likely which concentrations of a von Mises belief are, after every observation of a flow.

Given its concentration c, the phase m − x of a belief is itself von Mises of concentration c, because p(x | belief) is
vM(m, c) for a uniform x and the flow turns with x. So the concentration alone is a Markov chain,
c'² = c² + α² + 2cα cos(δ − φ) with δ ~ vM(0, α) and φ ~ vM(0, c), whatever x is.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from sunflow.flows.quantiles import QuantileTable, chords, normal_nodes
from sunflow.flows.von_mises import entropy

NUM_PARTICLES = 8192
#: How far noise is from 0 beyond which too few particles lie to tell quantiles: they are extrapolated from there.
TAIL = 3.0
#: The logarithm of nothing, in single precision and in double.
LOG_OF_ZERO = -1e4
#: Of the plastic number, whose powers make the most even sequence of points in a square.
PLASTIC = 1.32471795724474602596


class ConcentrationParticles:
    """The law of the concentration as equally likely values, at first all 0.

    The noise of every step is a lattice laid over the particles in ascending order (array-RQMC; L'Ecuyer, Lécot &
    Tuffin, Operations Research 56, 2008), whose error falls about as fast as their number grows.
    """

    def __init__(self, num_particles: int = NUM_PARTICLES, seed: int = 0) -> None:
        self.concentration = torch.zeros(num_particles, dtype=torch.float64)
        self._generator = torch.Generator().manual_seed(seed)
        self._table = QuantileTable(dtype=torch.float64)
        place = torch.arange(num_particles, dtype=torch.float64)
        self._lattice = torch.stack([place / PLASTIC, place / PLASTIC**2])
        self._prepare()

    def _prepare(self) -> None:
        """Draw the noise of the next step."""
        shift = torch.rand(2, 1, generator=self._generator, dtype=torch.float64)
        phase, self._normal = torch.special.ndtri(((self._lattice + shift) % 1).clamp(1e-12, 1 - 1e-12))
        self._phase = self._table(phase, self.concentration)

    def after(self, accuracy: Float[Tensor, ""]) -> Float[Tensor, " particles"]:
        """The concentrations after one more observation; the same noise until it is added."""
        between = self._table(self._normal, accuracy[None]) - self._phase
        along = 4 * self.concentration * accuracy * torch.cos(between / 2) ** 2
        return torch.sqrt((self.concentration - accuracy) ** 2 + along)

    def add(self, accuracy: Float[Tensor, ""]) -> None:
        """Make one more observation."""
        self.concentration = self.after(accuracy).sort().values
        self._prepare()


def concentration_laws(accuracies: Float[Tensor, " steps"]) -> Iterator[Float[Tensor, " particles"]]:
    """The concentrations after every step, in ascending order."""
    particles = ConcentrationParticles()
    for accuracy in accuracies.double():
        particles.add(accuracy)
        yield particles.concentration


def expected_entropies(accuracies: Float[Tensor, " steps"]) -> Float[Tensor, " steps"]:
    """E[H(c_i)] of the flow itself after every step, in nats, with a standard error below 3e-4."""
    return torch.stack([entropy(concentration).mean() for concentration in concentration_laws(accuracies)])


def log_concentration_table(accuracies: Float[Tensor, " steps"]) -> Float[Tensor, "counts nodes"]:
    """Quantiles of ln c after 0 … n observations, where normal noise is `normal_nodes()`."""
    laws = torch.stack([_log_quantiles(concentration) for concentration in concentration_laws(accuracies)])
    total, largest = accuracies.double().cumsum(0), accuracies.double().cummax(0).values
    smallest = (2 * largest - total).clamp(min=0)
    table = torch.clamp(chords(laws, dim=1), torch.log(smallest)[:, None], torch.log(total)[:, None])
    return torch.nn.functional.pad(table, (0, 0, 1, 0), value=LOG_OF_ZERO)


def _log_quantiles(concentration: Float[Tensor, " particles"]) -> Float[Tensor, " nodes"]:
    """Their tails are straight lines: of ln c towards small concentrations, of c towards large ones."""
    lower, upper = _quantiles(concentration.log()), _quantiles(concentration).clamp(min=1e-300).log()
    return torch.where(normal_nodes() < 0, lower, upper)


def _quantiles(values: Float[Tensor, " particles"]) -> Float[Tensor, " nodes"]:
    """Quantiles of equally likely values in ascending order; straight lines beyond `TAIL`."""
    nodes = normal_nodes()
    inner = nodes.clamp(-TAIL, TAIL)
    quantiles = _interpolated(values, inner)
    slope = (quantiles - _interpolated(values, inner - inner.sign())) / inner.sign()
    return torch.where(nodes == inner, quantiles, quantiles + slope * (nodes - inner))


def _interpolated(values: Float[Tensor, " particles"], normal: Float[Tensor, " nodes"]) -> Float[Tensor, " nodes"]:
    """Where the share Φ(z) of equally likely values, in ascending order, lies below."""
    place = torch.special.ndtr(normal) * len(values) - 0.5
    below = place.long()
    return values[below] + (place - below) * (values[below + 1] - values[below])
