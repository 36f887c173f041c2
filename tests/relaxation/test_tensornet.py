import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluating import shaken_together

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.known_energies import CRYSTALS, KNOWN_ENERGIES, refuse_wrong_energies, why_wrong
from sunflow.relaxation.potential import Potential, load_potential

CPU = torch.device("cpu")
NAME = "TensorNet-MatPES-PBE-v2025.1"
WEIGHTS = Path(__file__).parents[2].parent / f"shared/data/matgl/{NAME}-PES"
DEMO = Path(__file__).parents[2] / "src/sunflow/crystals/demo/demo.parquet"
needs_weights = pytest.mark.skipif(not WEIGHTS.is_dir(), reason="needs ../shared/data/matgl")
needs_matgl = pytest.mark.skipif(find_spec("matgl") is None, reason="needs matgl")


def load(folder=WEIGHTS):
    return load_potential("tensornet", {"weights": str(folder)})


def copied(folder, name=WEIGHTS.name):
    """The model in a folder that can be written to."""
    copy = folder / name
    copy.mkdir()
    for file in WEIGHTS.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def changed(folder, change):
    """A copy of the model with other weights in the embedding of bonds."""
    copy = copied(folder)
    state = torch.load(copy / "state.pt", map_location="cpu", weights_only=True)
    state["model.tensor_embedding.emb2.weight"] = change(state["model.tensor_embedding.emb2.weight"])
    torch.save(state, copy / "state.pt")
    return copy


def shaken_crystals():
    return shaken_together(read_crystals(DEMO)[::120], 0)


@needs_weights
@needs_matgl
def test_the_potential_describes_itself_without_loading_the_network():
    script = (
        "import sys; from sunflow.relaxation.potential import load_potential;"
        f"potential = load_potential('tensornet', {{'weights': {str(WEIGHTS)!r}}});"
        "print(potential.weights_hash, 'matgl' in sys.modules, 'torch_geometric' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    potential = load()
    assert printed == [potential.weights_hash, "False", "False"]
    assert isinstance(potential, Potential)
    assert (potential.name, potential.energy_scale) == (NAME, "MatPES PBE")
    assert len(potential.atomic_numbers) == 89
    assert not potential.atomic_numbers & {84, 85, 86, 87, 88, 95}


@needs_weights
@needs_matgl
def test_the_hash_follows_the_weights_and_not_their_place(tmp_path):
    copy = copied(tmp_path)
    assert load(copy).weights_hash == load().weights_hash
    with (copy / "state.pt").open("ab") as stream:
        stream.write(b"x")
    assert load(copy).weights_hash != load().weights_hash


@needs_weights
@needs_matgl
@pytest.mark.slow
def test_published_weights_are_misread_until_the_ends_of_bonds_are_swapped():
    evaluator = load().evaluator(CPU)
    assert why_wrong(NAME, evaluator) == ""
    refuse_wrong_energies(NAME, evaluator)
    evaluator.swap_ends_of_bonds()
    expected = "NaCl -2.737 instead of -3.358, SrTiO3 -4.659 instead of -7.961, Si -5.241 instead of -5.241"
    with pytest.raises(ValueError, match=expected):
        refuse_wrong_energies(NAME, evaluator)


@needs_weights
@needs_matgl
@pytest.mark.slow
def test_weights_that_are_read_rightly_are_left_as_they_are(tmp_path):
    mended = changed(tmp_path, lambda weight: weight.roll(128, dims=1))
    geometry = Geometry.of(list(CRYSTALS.values()), CPU)
    ours, published = (load(folder).evaluator(CPU).evaluate(geometry) for folder in (mended, WEIGHTS))
    assert torch.equal(ours.energies, published.energies)


@needs_weights
@needs_matgl
@pytest.mark.slow
def test_other_weights_are_refused_with_the_energies(tmp_path):
    broken = changed(tmp_path, lambda weight: 1.1 * weight)
    with pytest.raises(ValueError, match=r"matgl misreads .*: wrong energies .*: NaCl .*, SrTiO3 .*, Si "):
        load(broken).evaluator(CPU)


@needs_weights
@needs_matgl
@pytest.mark.slow
def test_weights_of_which_no_energies_are_known_are_refused(tmp_path):
    with pytest.raises(ValueError, match=f"no energies are known .*'renamed', only those of .*{NAME}"):
        load(copied(tmp_path, "renamed-PES")).evaluator(CPU)


@needs_weights
@needs_matgl
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_energies_forces_and_stresses_are_those_of_matgl():
    import matgl
    from ase import Atoms
    from matgl.ext.ase import PESCalculator

    theirs = matgl.load_model(str(WEIGHTS))
    embedding = theirs.model.tensor_embedding.emb2.weight.data
    embedding.copy_(embedding.roll(128, dims=1))
    crystals = shaken_crystals()
    evaluation = load().evaluator(CPU).evaluate(Geometry.of(crystals, CPU))
    assert evaluation.refusals == {}
    forces = evaluation.forces.split([crystal.num_atoms for crystal in crystals])
    for index, crystal in enumerate(crystals):
        numbers, coordinates = crystal.atomic_numbers, crystal.frac_coords
        calculator = PESCalculator(theirs, stress_unit="eV/A3")
        atoms = Atoms(numbers, scaled_positions=coordinates, cell=crystal.lattice, pbc=True, calculator=calculator)
        energy = atoms.get_potential_energy() / len(atoms)
        assert float(evaluation.energies[index]) / len(atoms) == pytest.approx(energy, abs=1e-5)
        np.testing.assert_allclose(forces[index], atoms.get_forces(), atol=1e-4)
        np.testing.assert_allclose(evaluation.stresses[index], atoms.get_stress(voigt=False), atol=1e-5)


@needs_weights
@needs_matgl
@pytest.mark.slow
def test_isolated_atoms_and_unknown_elements_are_refused():
    alone = Crystal("alone", 30 * np.eye(3), np.zeros((1, 3)), np.array([18]))
    polonium = Crystal("polonium", 3.3 * np.eye(3), np.zeros((1, 3)), np.array([84]))
    evaluator = load().evaluator(CPU)
    both = evaluator.evaluate(Geometry.of([alone, CRYSTALS["NaCl"], polonium], CPU))
    assert both.refusals == {
        0: "isolated atoms: an atom has no neighbour within 5 Å",
        2: "unsupported element",
    }
    assert float(both.energies[1]) / 2 == pytest.approx(KNOWN_ENERGIES[NAME]["NaCl"], abs=1e-3)
    assert list(evaluator.evaluate(Geometry.of([alone], CPU)).refusals) == [0]


@needs_weights
def test_incomplete_folders_and_other_models_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model.json, model.pt, state.pt in .*/nowhere"):
        load(tmp_path / "nowhere")
    other = copied(tmp_path)
    (other / "model.json").write_text(json.dumps({"@class": "MEGNet", "kwargs": {}}))
    with pytest.raises(ValueError, match="is a MEGNet: only a TensorNet"):
        load(other)


@needs_weights
def test_without_matgl_the_package_is_named(monkeypatch):
    monkeypatch.setattr("sunflow.relaxation.tensornet.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install matgl==4\.1\.2"):
        load()


@needs_weights
def test_nothing_in_the_files_needs_more_than_tensors_and_plain_values():
    for file in ("model.pt", "state.pt"):
        assert torch.serialization.get_unsafe_globals_in_checkpoint(WEIGHTS / file) == []


def test_chgnet_gives_the_energies_that_are_known_of_it():
    potential = load_potential("chgnet")
    refuse_wrong_energies(potential.name, potential.evaluator(CPU))
