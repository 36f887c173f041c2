import copy
import hashlib
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.relaxation.chgnet import load
from sunflow.relaxation.potential import EvaluationError, load_potential
from sunflow.relaxation.prototypes import prototypes
from sunflow.relaxation.relaxer import _to_atoms

DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"


@pytest.fixture(scope="module")
def potential():
    return load()


@pytest.fixture(scope="module")
def package():
    from chgnet.model import CHGNet

    return CHGNet.load(use_device="cpu", verbose=False)


def shaken(crystal, number, amplitude=0.05):
    """Strained by some percent, atoms moved by about 0.1 Å."""
    random = np.random.default_rng(number)
    lattice = crystal.lattice @ (np.eye(3) + 0.03 * random.normal(size=(3, 3)))
    moves = amplitude * random.normal(size=(crystal.num_atoms, 3)) @ np.linalg.inv(lattice)
    return replace(crystal, lattice=lattice, frac_coords=np.mod(crystal.frac_coords + moves, 1.0))


def varied_crystals():
    """Thirty crystals of 1 to 29 atoms: ionic, covalent, metallic, molecular, heavy, sparse, dense and skewed."""
    demo = [shaken(crystal, n) for n, crystal in enumerate(read_crystals(DEMO)[::45])]
    aflow = prototypes()
    library = [
        from_structure(name, aflow[name].copy().scale_lattice(volume * len(aflow[name])))
        for name, volume in [("A_cI58_217_ac2g-Mn", 12.2), ("A_hR12_166_2h-B", 7.3), ("A_cP8_205_c-N2", 22.5)]
    ]
    caesium = Structure.from_spacegroup("Im-3m", Lattice.cubic(6.1), ["Cs"], [[0, 0, 0]])
    gold = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.1), ["Au"], [[0, 0, 0]]).get_primitive_structure()
    skewed = Structure([[4.0, 0, 0], [12.0, 4.1, 0], [8.0, -4.0, 4.2]], ["Ni", "As"], [[0, 0, 0], [0.5, 0.4, 0.5]])
    chain = Structure(np.diag([2.2, 11.0, 11.0]), ["Te"], [[0, 0, 0]])
    return demo + library + [from_structure(str(n), each) for n, each in enumerate([caesium, gold, skewed, chain])]


def assert_equal(crystal, potential, package, energy, force, stress):
    """Compare in eV/atom, in eV/Å per eV/Å of the largest force where that is more than one, and in GPa."""
    atoms = _to_atoms(crystal, potential)
    expected = package.predict_structure(to_structure(crystal), task="efs")
    assert atoms.get_potential_energy() / len(atoms) == pytest.approx(float(expected["e"]), abs=energy), crystal
    largest = max(1.0, np.abs(expected["f"]).max())
    assert np.abs(atoms.get_forces() - expected["f"]).max() < force * largest, crystal
    ours, theirs = atoms.get_stress(voigt=False) * 160.21766208, (expected["s"] + expected["s"].T) / 2
    assert np.abs(ours - theirs).max() < stress * largest, crystal


def test_energies_forces_and_stresses_are_those_of_the_package(potential, package):
    crystals = varied_crystals()
    assert len(crystals) >= 28
    for crystal in crystals:
        assert_equal(crystal, potential, package, energy=1e-5, force=1e-4, stress=1e-3)


def test_in_double_precision_they_are_the_same_numbers(package, monkeypatch):
    for module in ("chgnet.model.model", "chgnet.graph.converter"):
        monkeypatch.setattr(f"{module}.TORCH_DTYPE", torch.float64)
    exact, exact_package = load(), copy.deepcopy(package).double()
    exact.model.network.double()
    exact_package.composition_model.float()  # reads counts of atoms as float32
    for crystal in varied_crystals():
        assert_equal(crystal, exact, exact_package, energy=1e-6, force=1e-6, stress=1e-6)


def test_forces_are_minus_the_derivative_of_the_energy(potential):
    crystal = shaken(read_crystals(DEMO)[500], 0)
    atoms = _to_atoms(crystal, potential)
    forces = atoms.get_forces()
    direction = np.random.default_rng(0).normal(size=forces.shape)
    start, step = atoms.positions.copy(), 0.01
    energies = []
    for sign in (1, -1):
        atoms.positions = start + sign * step * direction
        energies.append(atoms.get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * step)
    assert -(forces * direction).sum() == pytest.approx(slope, rel=0.01, abs=0.01)


def test_atoms_may_lie_outside_the_cell(potential):
    crystal = shaken(read_crystals(DEMO)[300], 1)
    inside, outside = _to_atoms(crystal, potential), _to_atoms(crystal, potential)
    outside.positions += np.array([3, -2, 1]) @ outside.cell.array
    outside.positions[0] += np.array([0, 5, 0]) @ outside.cell.array
    np.testing.assert_allclose(outside.get_forces(), inside.get_forces(), atol=1e-4)


def test_a_supercell_has_the_same_energy_per_atom(potential):
    single = _to_atoms(shaken(read_crystals(DEMO)[400], 2), potential)
    double = single.repeat((2, 1, 1))
    double.calc = potential.calculator()
    assert double.get_potential_energy() == pytest.approx(2 * single.get_potential_energy(), abs=1e-4)


def test_the_weights_are_hashed_and_the_elements_are_those_embedded():
    weights = Path(find_spec("chgnet").origin).parent / "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"
    potential = load_potential("chgnet")
    assert potential.weights_hash == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert potential.name == "chgnet-0.3.0"
    assert potential.atomic_numbers == frozenset(range(1, potential.model.network.atom_embedding.num_embeddings + 1))


def test_a_process_that_only_names_the_potential_pays_for_no_imports():
    program = """
import sys
from sunflow.relaxation.potential import load_potential
load_potential("chgnet").weights_hash
assert not {"torch", "ase", "chgnet"} & set(sys.modules)
load_potential("chgnet").calculator()
assert "torch" in sys.modules and "chgnet" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_is_printed_and_nothing_is_left_behind(potential, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    load()
    _to_atoms(shaken(read_crystals(DEMO)[100], 3), potential).get_forces()
    with pytest.raises(EvaluationError):
        _to_atoms(Crystal("gas", 9 * np.eye(3), np.zeros((1, 3)), np.array([2])), potential).get_forces()
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_isolated_atoms_are_refused(potential):
    slab = Crystal("slab", np.diag([3.0, 3.0, 30.0]), np.array([[0, 0, 0.1], [0.5, 0.5, 0.6]]), np.array([3, 3]))
    assert np.isfinite(_to_atoms(slab, potential).get_potential_energy())
    pair = replace(slab, lattice=np.diag([7.0, 7.0, 30.0]))
    with pytest.raises(EvaluationError, match="isolated atoms: 2 of 2 have no neighbour within 6 Å"):
        _to_atoms(pair, potential).get_potential_energy()


def test_an_unknown_potential_is_named_with_its_nearest():
    with pytest.raises(ValueError, match=r"no potential is called 'chgnett': the nearest name is 'chgnet'"):
        load_potential("chgnett")
