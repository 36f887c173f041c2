"""One chemical system's part of the hull: the best mixture of its entries, with the proof that none is better."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

TOLERANCE = 1e-8
"""eV/atom, and fractions of atoms: how closely a mixture and its certificate must agree."""
FLAT = 1e-9
"""eV/atom; entries so close to a facet's plane are part of the facet."""
SOLVER = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


class CertificateError(Exception):
    """A mixture is not proven to be the best one; the energies that rest on it cannot be trusted."""


@dataclass(frozen=True)
class Mixture:
    """The mixture of entries that has the lowest energy at a composition.

    The chemical potentials are its certificate: no entry lies below their plane, hence no mixture does, and this
    mixture lies on it.

    Attributes:
        energy: Formation energy, in eV/atom.
        shares: Fraction of the atoms by formula, the largest first.
        chemical_potentials: Of the elements, in eV/atom, relative to their references.
    """

    energy: float
    shares: dict[str, float]
    chemical_potentials: dict[str, float]


@dataclass(frozen=True)
class _Facet:
    """As many entries as elements, on a plane that no entry lies below: every mixture of just these is the best."""

    vertices: np.ndarray
    inverse: np.ndarray
    potentials: np.ndarray


class ChemicalSystem:
    """The entries of a chemical system and of all its subsystems.

    Facets that were found are remembered: a composition inside one needs no linear program of its own.

    Args:
        elements: Their symbols.
        fractions: Fractions of the elements' atoms by formula of an entry; elements that it lacks may be left out.
        energies: Lowest formation energy by formula, in eV/atom.
    """

    def __init__(
        self, elements: list[str], fractions: Mapping[str, Mapping[str, float]], energies: Mapping[str, float]
    ) -> None:
        self.elements = elements
        self.formulas = list(energies)
        self._energies = np.array([energies[formula] for formula in self.formulas])
        rows = [[fractions[formula].get(element, 0.0) for element in elements] for formula in self.formulas]
        self._fractions = np.array(rows).reshape(-1, len(elements))
        self._facets: list[_Facet] = []

    @property
    def num_facets(self) -> int:
        """How many facets are remembered."""
        return len(self._facets)

    def without(self, formula: str) -> "ChemicalSystem":
        """The same system without the entries of one formula."""
        left = {name: energy for name, energy in zip(self.formulas, self._energies, strict=True) if name != formula}
        rows = dict(zip(self.formulas, self._fractions, strict=True))
        fractions = {name: dict(zip(self.elements, rows[name], strict=True)) for name in left}
        return ChemicalSystem(self.elements, fractions, left)

    def mixture(self, composition: Mapping[str, float]) -> Mixture:
        """The best mixture at these fractions of atoms by element.

        Raises:
            ValueError: No mixture of the entries has this composition.
            CertificateError: The solver's answer fails its check.
        """
        target = np.array([composition[element] for element in self.elements])
        weights, potentials = self._remembered(target) or self._solved(target)
        used = [(float(weights[i]), self.formulas[i]) for i in np.flatnonzero(weights > 1e-12)]
        mixture = Mixture(
            energy=float(self._energies @ weights),
            shares={formula: share for share, formula in sorted(used, key=lambda pair: (-round(pair[0], 6), pair[1]))},
            chemical_potentials=dict(zip(self.elements, potentials.tolist(), strict=True)),
        )
        self.verify(mixture, composition)
        return mixture

    def verify(self, mixture: Mixture, composition: Mapping[str, float]) -> None:
        """Check that a mixture has this composition and that its certificate proves it the best.

        Raises:
            CertificateError: It is not, by more than `TOLERANCE`.
        """
        target = np.array([composition[element] for element in self.elements])
        potentials = np.array([mixture.chemical_potentials[element] for element in self.elements])
        weights = np.array([mixture.shares.get(formula, 0.0) for formula in self.formulas])
        faults = {
            "the shares do not make up the composition": np.abs(weights @ self._fractions - target).max(),
            "a share is negative": -weights.min(),
            "the shares do not make up the energy": abs(weights @ self._energies - mixture.energy),
            "the chemical potentials do not make up the energy": abs(target @ potentials - mixture.energy),
            "an entry lies below the chemical potentials": (self._fractions @ potentials - self._energies).max(),
        }
        for fault, size in faults.items():
            if not size <= TOLERANCE * len(self.elements):
                raise CertificateError(
                    f"the hull of {'-'.join(self.elements)} at {dict(composition)} is not proven: {fault}, by"
                    f" {size:.1e}; check the hull's entries for energies that are far out of the ordinary"
                )

    def _remembered(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Weights and chemical potentials from a facet that holds the composition."""
        if not self._facets:
            return None
        shares = np.array([facet.inverse for facet in self._facets]) @ target
        best = int(shares.min(axis=1).argmax())
        if shares[best].min() < -1e-12:
            return None
        facet, weights = self._facets[best], np.zeros(len(self.formulas))
        weights[facet.vertices] = shares[best].clip(min=0.0)
        return weights, facet.potentials

    def _solved(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights and chemical potentials from a linear program; a facet that is a simplex is remembered.

        Where more entries than elements lie on the facet, its corners are preferred to what lies between them: those
        entries are chosen whose mean squared fractions are largest.
        """
        weights, potentials = _program(self._energies, self._fractions, target)
        facet = np.flatnonzero(self._energies - self._fractions @ potentials <= FLAT)
        if len(facet) > len(self.elements):
            corners = self._fractions[facet]
            preference = -(corners**2).sum(axis=1)
            shares, weights = weights[facet], np.zeros(len(self.formulas))
            weights[facet], plane = _program(preference, corners, shares @ corners)
            facet = facet[preference - corners @ plane <= FLAT]
        vertices = self._fractions[facet].T
        if len(facet) == len(self.elements) and np.linalg.cond(vertices) < 1e6:
            self._facets.append(_Facet(facet, np.linalg.inv(vertices), potentials))
        return weights, potentials


def _program(costs: np.ndarray, fractions: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest non-negative weights of rows that add up to the target, and the dual variables."""
    solution = linprog(costs, A_eq=fractions.T, b_eq=target, bounds=(0, None), method="highs-ds", options=SOLVER)
    if not solution.success:
        raise ValueError(f"no mixture of the hull's entries has this composition: {solution.message}")
    return solution.x.clip(min=0.0), solution.eqlin.marginals
