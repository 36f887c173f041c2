import copy
import hashlib
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evaluating import evaluated
from pymatgen.core import Lattice, Structure

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.crystals.structures import from_structure, to_structure
from sunflow.relaxation import chgnet
from sunflow.relaxation.chgnet_layers import envelope
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.known_energies import CRYSTALS
from sunflow.relaxation.places import EV_PER_CUBIC_ANGSTROM
from sunflow.relaxation.potential import load_potential
from sunflow.relaxation.prototypes import prototypes

CPU = torch.device("cpu")
DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"
WEIGHTS = Path(find_spec("chgnet").origin).parent / "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"


@pytest.fixture(scope="module")
def evaluator():
    return chgnet.load().evaluator(CPU)


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


def primitive(lattice, spacegroup, symbol):
    return Structure.from_spacegroup(spacegroup, lattice, [symbol], [[0, 0, 0]]).get_primitive_structure()


def varied_crystals():
    """Compounds, elements and cells of one atom: ionic, covalent, metallic, molecular, sparse, dense and skewed."""
    nitrogen = prototypes()["A_cP8_205_c-N2"].copy()
    structures = {
        "caesium": primitive(Lattice.cubic(6.1), "Im-3m", "Cs"),
        "gold": primitive(Lattice.cubic(4.1), "Fm-3m", "Au"),
        "chain": Structure(np.diag([2.2, 11.0, 11.0]), ["Te"], [[0, 0, 0]]),
        "nitrogen": nitrogen.scale_lattice(22.5 * len(nitrogen)),
        "skewed": Structure([[4.0, 0, 0], [12.0, 4.1, 0], [8.0, -4.0, 4.2]], ["Ni", "As"], [[0] * 3, [0.5, 0.4, 0.5]]),
    }
    demo = [shaken(crystal, n) for n, crystal in enumerate(read_crystals(DEMO)[::200])]
    known = [*CRYSTALS.values(), *(shaken(crystal, 50) for crystal in CRYSTALS.values())]
    return [*(from_structure(name, each) for name, each in structures.items()), *known, *demo]


def assert_those_of_the_package(crystals, evaluator, package, energy, force, stress):
    """Compare in eV/atom, in eV/Å per eV/Å of the largest force where that is more than one, and in GPa."""
    for crystal, (e, f, s) in zip(crystals, evaluated(evaluator, crystals), strict=True):
        expected = package.predict_structure(to_structure(crystal), task="efs")
        largest = max(1.0, np.abs(expected["f"]).max())
        assert e == pytest.approx(float(expected["e"]), abs=energy), crystal
        assert np.abs(f - expected["f"]).max() < force * largest, crystal
        theirs = (expected["s"] + expected["s"].T) / 2
        assert np.abs(s * EV_PER_CUBIC_ANGSTROM - theirs).max() < stress * largest, crystal


def test_energies_forces_and_stresses_are_those_of_the_package(evaluator, package):
    crystals = varied_crystals()
    assert len(crystals) > 15
    assert sum(crystal.num_atoms == 1 for crystal in crystals) >= 3
    assert_those_of_the_package(crystals, evaluator, package, energy=1e-5, force=1e-4, stress=1e-3)


def test_in_double_precision_they_are_the_same_numbers(package, monkeypatch):
    for module in ("chgnet.model.model", "chgnet.graph.converter"):
        monkeypatch.setattr(f"{module}.TORCH_DTYPE", torch.float64)
    exact, exact_package = chgnet.load().evaluator(CPU), copy.deepcopy(package).double()
    exact.network.double()
    exact_package.composition_model.float()  # reads counts of atoms as float32
    assert_those_of_the_package(varied_crystals(), exact, exact_package, energy=1e-6, force=1e-6, stress=1e-6)


def test_a_batch_gives_what_each_crystal_gives_alone(evaluator):
    crystals = varied_crystals()
    for together, crystal in zip(evaluated(evaluator, crystals), crystals, strict=True):
        (alone,) = evaluated(evaluator, [crystal])
        largest = max(1.0, np.abs(alone[1]).max())
        for ours, expected, tolerance in zip(together, alone, (3e-6, 5e-5 * largest, 1e-6 * largest), strict=True):
            np.testing.assert_allclose(ours, expected, atol=tolerance, rtol=0, err_msg=crystal.crystal_id)


SLAB = Crystal("slab", np.diag([3.0, 3.0, 30.0]), np.array([[0, 0, 0.1], [0.5, 0.5, 0.6]]), np.array([3, 3]))


@pytest.mark.parametrize(
    ("crystal", "reason"),
    [
        (replace(SLAB, lattice=np.diag([7.0, 7.0, 30.0])), "isolated atoms: 2 of 2 have no neighbour within 6 Å"),
        (
            Crystal("one", 15 * np.eye(3), np.array([[0.0] * 3, [0.2] * 3, [0.7] * 3]), np.array([3, 3, 3])),
            "isolated atoms: 1 of 3 have no neighbour within 6 Å",
        ),
    ],
)
def test_isolated_atoms_are_refused(evaluator, crystal, reason):
    salt = CRYSTALS["NaCl"]
    assert evaluator.evaluate(Geometry.of([salt, crystal, salt], CPU)).refusals == {1: reason}


def test_left_handed_cells_have_the_stress_of_right_handed_ones(evaluator):
    """The package divides by the signed volume, and gives them the opposite."""
    crystal = shaken(CRYSTALS["SrTiO3"], 1)
    swapped = replace(crystal, lattice=crystal.lattice[[1, 0, 2]], frac_coords=crystal.frac_coords[:, [1, 0, 2]])
    (_, forces, stress), (_, swapped_forces, swapped_stress) = evaluated(evaluator, [crystal, swapped])
    assert np.abs(stress).max() > 0.01
    np.testing.assert_allclose(swapped_stress, stress, atol=1e-6)
    np.testing.assert_allclose(swapped_forces, forces, atol=5e-5)


def test_layers_far_apart_are_not_isolated(evaluator):
    assert np.isfinite(evaluated(evaluator, [SLAB])[0][0])


def test_the_size_is_about_the_number_of_bonds(evaluator):
    for crystal in CRYSTALS.values():
        structure = to_structure(crystal)
        bonds = len(structure.get_neighbor_list(evaluator.cutoff, exclude_self=True)[0]) / 2
        assert evaluator.size(crystal) == pytest.approx(bonds, rel=0.3)


def test_the_weights_are_hashed_and_the_elements_are_those_embedded(evaluator):
    potential = load_potential("chgnet")
    assert potential.weights_hash == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert (potential.name, potential.energy_scale) == ("chgnet-0.3.0", "MP2020")
    assert potential.atomic_numbers == frozenset(range(1, evaluator.network.atom_embedding.num_embeddings + 1))


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(chgnet, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"no weights of CHGNet 0\.3\.0 .*: install chgnet==0\.4\.2"):
        chgnet.load()


@pytest.mark.parametrize("files", [[], ["one.pth.tar", "two.pth.tar"]], ids=["none", "two"])
def test_missing_or_unclear_weights_are_told(monkeypatch, tmp_path, files):
    folder = tmp_path / "pretrained/0.3.0"
    folder.mkdir(parents=True)
    for name in files:
        (folder / name).touch()
    monkeypatch.setattr(chgnet, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    with pytest.raises(FileNotFoundError, match=rf"no weights of CHGNet 0\.3\.0 in {folder}: install chgnet"):
        chgnet.load()


def test_the_package_is_never_imported():
    program = """
import sys
import torch
from sunflow.relaxation.known_energies import refuse_wrong_energies
from sunflow.relaxation.potential import load_potential
potential = load_potential("chgnet")
refuse_wrong_energies(potential.name, potential.evaluator(torch.device("cpu")))
assert "chgnet" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_is_printed_and_nothing_is_left_behind(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    evaluator = chgnet.load().evaluator(CPU)
    evaluator.evaluate(Geometry.of([CRYSTALS["NaCl"], replace(SLAB, lattice=9 * np.eye(3))], CPU))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_potential_is_named_with_its_nearest():
    with pytest.raises(ValueError, match=r"no potential is called 'chgnett': the nearest name is 'chgnet'"):
        load_potential("chgnett")


def test_the_envelope_is_the_published_polynomial_without_its_cancellation():
    scaled = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    published = 1 - 45 * scaled**8 + 80 * scaled**9 - 36 * scaled**10
    assert torch.allclose(envelope(scaled), published, rtol=0, atol=1e-13)
    near = scaled[1900:-1]
    single = envelope(near.float()).double()
    assert ((single - envelope(near.float().double())).abs() <= 1e-5 * envelope(near)).all()


def test_weights_that_give_other_energies_are_refused(tmp_path):
    content = torch.load(chgnet.load().weights_file, map_location="cpu", weights_only=True)
    bias = next(name for name in content["model"]["state_dict"] if name.endswith("mlp.layers.0.bias"))
    content["model"]["state_dict"][bias] += 0.5
    torch.save(content, tmp_path / "other.pth.tar")
    with pytest.raises(ValueError, match=r"not read as they were meant: .* NaCl -?\d+\.\d+ instead of -3\.668"):
        chgnet.CHGNet(tmp_path / "other.pth.tar").evaluator(torch.device("cpu"))
