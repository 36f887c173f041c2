"""Make the embedded `demo` dataset: python tools/make_demo_dataset.py --work <folder>.

Structure types that pymatgen carries (AFLOW library) are filled with ten elements, charge-balanced where there is an
anion, scaled to a predicted volume, and relaxed with CHGNet 0.3.0. What is kept covers every binary and most ternary
systems. A demonstration to run the pipeline on, labelled by a machine-learned potential: not a benchmark.
"""

import argparse
import itertools
import logging
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.analysis.structure_prediction.volume_predictor import DLSVolumePredictor
from pymatgen.core import Composition, Element, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.crystals.structures import composition, from_structure, reduced_formula, to_structure
from sunflow.journal import Journal
from sunflow.provenance import code_fingerprint, stamp
from sunflow.registry import module_of
from sunflow.relaxation.elements import elemental_crystals
from sunflow.relaxation.limits import Limits
from sunflow.relaxation.parallel import relax_all
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.prototypes import prototypes

OXIDATION_STATES = {
    "Li": (1,),
    "Na": (1,),
    "Mg": (2,),
    "Ca": (2,),
    "Al": (3,),
    "Si": (4, -4),
    "Ti": (4, 3, 2),
    "O": (-2, 2),
    "F": (-1,),
    "S": (-2, 4, 6),
}
ELEMENTS = tuple(OXIDATION_STATES)
ANIONS = {"O", "F", "S"}
MAX_ATOMS = 10
PER_SYSTEM = {2: 22, 3: 11, 4: 1}
"""Candidates per chemical system of so many elements."""
NUM_QUATERNARY_SYSTEMS = 30
MAX_ENERGY_ABOVE_HULL = 0.2
"""eV/atom; beyond it only the lowest two of a system that would otherwise be empty are kept."""
MAX_PER_FORMULA = 5
"""The lowest in energy."""
LIMITS = Limits(max_force=0.02, max_steps=250, timeout=600.0)
DESCRIPTION = (
    "Demonstration of the pipeline, not a benchmark: AFLOW structure types filled with ten elements, relaxed and "
    "labelled by CHGNet 0.3.0. Energies above hull are those within this set."
)
SEED = 2026

logger = logging.getLogger("make_demo_dataset")


def candidates() -> list[Crystal]:
    """Unrelaxed crystals: the elements, then a seeded choice of fillings for every chemical system, shuffled."""
    chance = random.Random(SEED)
    elements = [
        crystal.with_properties(prototype=crystal.crystal_id.partition("-")[2])
        for symbol in ELEMENTS
        for crystal in elemental_crystals(symbol)
    ]
    compounds = [
        fill(f"{name}:{'-'.join(symbols)}", name, symbols)
        for system in systems(chance)
        for name, symbols in fillings(system, PER_SYSTEM[len(system)], chance)
    ]
    chance.shuffle(compounds)
    return elements + compounds


def systems(chance: random.Random) -> list[tuple[str, ...]]:
    """All binary and ternary systems, and some quaternary ones with an anion."""
    small = [system for size in (2, 3) for system in itertools.combinations(ELEMENTS, size)]
    quaternary = [system for system in itertools.combinations(ELEMENTS, 4) if len(ANIONS & set(system)) == 1]
    return small + sorted(chance.sample(quaternary, NUM_QUATERNARY_SYSTEMS))


def fillings(system: tuple[str, ...], count: int, chance: random.Random) -> list[tuple[str, tuple[str, ...]]]:
    """Structure types with the element of each of their kinds of sites; balanced ones first, formulas by turns."""
    by_formula: dict[tuple[bool, str], list[tuple[str, tuple[str, ...]]]] = defaultdict(list)
    for name, prototype in sorted(prototypes().items()):
        kinds = sorted(element.symbol for element in prototype.elements)
        if len(kinds) == len(system) and len(prototype) <= MAX_ATOMS:
            for symbols in itertools.permutations(system):
                amounts = [prototype.composition[kind] for kind in kinds]
                filled = Composition(dict(zip(symbols, amounts, strict=True)))
                by_formula[not is_balanced(filled), filled.reduced_formula].append((name, symbols))
    for choices in by_formula.values():
        chance.shuffle(choices)
        choices.sort(key=lambda choice: not keeps_roles(*choice))
    balanced = take_turns([choices for key, choices in sorted(by_formula.items()) if not key[0]], chance)
    others = take_turns([choices for key, choices in sorted(by_formula.items()) if key[0]], chance)
    return [*balanced, *others][:count]


def take_turns(groups: list[list], chance: random.Random) -> list:
    """One of each group, then the next of each, in a shuffled order of groups."""
    groups = chance.sample(groups, len(groups))
    turns = itertools.chain.from_iterable(itertools.zip_longest(*groups))
    return [choice for choice in turns if choice is not None]


def is_balanced(filled: Composition) -> bool:
    """Whether some choice of oxidation states is neutral; always for metals among themselves."""
    counts = {element.symbol: amount for element, amount in filled.items()}
    if not ANIONS & set(counts):
        return True
    states = itertools.product(*(OXIDATION_STATES[symbol] for symbol in counts))
    return any(np.dot(choice, list(counts.values())) == 0 and anions_are_negative(counts, choice) for choice in states)


def keeps_roles(name: str, symbols: tuple[str, ...]) -> bool:
    """Whether the order of electronegativities is that of the structure type's namesake."""
    kinds = sorted(element.symbol for element in prototypes()[name].elements)
    pairs = sorted(zip(kinds, symbols, strict=True), key=lambda pair: Element(pair[0]).X)
    return [symbol for _, symbol in pairs] == sorted(symbols, key=lambda symbol: Element(symbol).X)


def anions_are_negative(counts: Iterable[str], states: tuple[int, ...]) -> bool:
    """Whether the most electronegative element takes the electrons."""
    return max(zip(counts, states, strict=True), key=lambda pair: Element(pair[0]).X)[1] < 0


def fill(crystal_id: str, name: str, symbols: tuple[str, ...]) -> Crystal:
    """A structure type with these elements, at a predicted volume."""
    prototype = prototypes()[name]
    kinds = sorted(element.symbol for element in prototype.elements)
    structure = prototype.copy()
    structure.remove_oxidation_states()
    structure.replace_species(dict(zip(kinds, symbols, strict=True)))
    structure.scale_lattice(first_volume(structure))
    try:
        for _ in range(3):
            structure.scale_lattice(DLSVolumePredictor().predict(structure))
    except ValueError:
        structure.scale_lattice(first_volume(structure))
    return from_structure(crystal_id, structure, prototype=name)


def first_volume(structure: Structure) -> float:
    """Å³: atoms of the elements' own volumes, cations half of it."""
    has_anion = bool(ANIONS & {element.symbol for element in structure.elements})
    share = {symbol: 1.0 if symbol in ANIONS or not has_anion else 0.5 for symbol in ELEMENTS}
    return sum(share[site.specie.symbol] * site.specie.molar_volume / 0.602214 for site in structure) * 0.85


def value(crystal: Crystal, name: str) -> float:
    """A property that is a number."""
    return cast(float, crystal.properties[name])


def distinct(crystals: Iterable[Crystal]) -> list[Crystal]:
    """The lowest in energy of every group that pymatgen's StructureMatcher calls one structure."""
    matcher = StructureMatcher()
    kept: dict[str, list[tuple[Crystal, Structure]]] = defaultdict(list)
    for crystal in sorted(crystals, key=lambda crystal: (value(crystal, "energy_per_atom"), crystal.crystal_id)):
        structure = to_structure(crystal)
        group = kept[reduced_formula(crystal)]
        if not any(matcher.fit(structure, other) for _, other in group):
            group.append((crystal, structure))
    return [crystal for group in kept.values() for crystal, _ in group]


def with_hull(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Formation energies from the lowest elements, and energies above the hull of the whole set (eV/atom)."""
    entries = [
        PDEntry(composition(crystal), value(crystal, "energy_per_atom") * crystal.num_atoms) for crystal in crystals
    ]
    diagram = PhaseDiagram(entries)
    return [
        crystal.with_properties(
            formation_energy_per_atom=diagram.get_form_energy_per_atom(entry),
            energy_above_hull=max(0.0, diagram.get_e_above_hull(entry)),
        )
        for crystal, entry in zip(crystals, entries, strict=True)
    ]


def select(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Crystals near the hull, and the lowest two of every system that has none there."""
    by_system = defaultdict(list)
    formulas: Counter[str] = Counter()
    for crystal in sorted(crystals, key=lambda crystal: value(crystal, "energy_above_hull")):
        formulas[reduced_formula(crystal)] += 1
        if formulas[reduced_formula(crystal)] <= MAX_PER_FORMULA:
            by_system[composition(crystal).chemical_system].append(crystal)
    kept = []
    for group in by_system.values():
        near = [crystal for crystal in group if value(crystal, "energy_above_hull") <= MAX_ENERGY_ABOVE_HULL]
        kept += near or group[:2]
    return kept


def split(crystals: Sequence[Crystal]) -> list[Crystal]:
    """80/10/10 by composition; elements train."""
    formulas = sorted({reduced_formula(crystal) for crystal in crystals if len(composition(crystal)) > 1})
    random.Random(SEED).shuffle(formulas)
    tenth = math.ceil(len(formulas) / 10)
    part = dict.fromkeys(formulas[:tenth], "val") | dict.fromkeys(formulas[tenth : 2 * tenth], "test")
    return [crystal.with_properties(split=part.get(reduced_formula(crystal), "train")) for crystal in crystals]


def name_and_order(crystals: Sequence[Crystal]) -> list[Crystal]:
    """Elements first, then by system, formula and energy; named demo-0001 and so on."""
    ordered = sorted(
        crystals,
        key=lambda crystal: (
            len(composition(crystal)),
            composition(crystal).chemical_system,
            reduced_formula(crystal),
            value(crystal, "energy_per_atom"),
        ),
    )
    columns = ("split", "prototype", "energy_per_atom", "formation_energy_per_atom", "energy_above_hull")
    return [
        replace(
            crystal,
            crystal_id=f"demo-{number:04d}",
            properties={column: crystal.properties[column] for column in columns},
        )
        for number, crystal in enumerate(ordered, start=1)
    ]


def main(work: Path, output: Path, processes: int) -> None:
    """Relax all candidates (continuing a killed run) and write the dataset."""
    load = partial(load_potential, "chgnet")
    unrelaxed = candidates()
    logger.info("%s candidates", len(unrelaxed))
    code = code_fingerprint("sunflow.relaxation.parallel", module_of("chgnet"))
    settings = stamp([crystal.to_record() for crystal in unrelaxed], asdict(LIMITS), load().weights_hash, code)
    with Journal(work / "relaxed.jsonl", settings) as journal:
        relaxed = relax_all(unrelaxed, load, LIMITS, journal, processes)
    finish(relaxed, output)


def finish(relaxed: Sequence[Crystal], output: Path) -> None:
    """Judge, choose and write the relaxed crystals."""
    potential = load_potential("chgnet")
    converged = [crystal for crystal in relaxed if crystal.status == "ok" and crystal.num_atoms <= MAX_ATOMS]
    crystals = name_and_order(split(select(with_hull(distinct(converged)))))
    logger.info("%s relaxed, %s converged, %s kept", len(relaxed), len(converged), len(crystals))
    metadata = {
        "potential": potential.name,
        "weights_hash": potential.weights_hash,
        "max_force": LIMITS.max_force,
        "description": DESCRIPTION,
    }
    write_crystals(output, crystals, metadata)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for the journal of relaxations")
    parser.add_argument("--output", type=Path, default=Path("src/sunflow/crystals/demo/demo.parquet"))
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    main(arguments.work, arguments.output, arguments.processes)
