import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones
from fake_calculators import ARGON, NOT_A_NUMBER, OUT_OF_MEMORY, UNKNOWN

from sunflow.crystals.crystal import Crystal
from sunflow.relaxation.geometry import Geometry
from sunflow.relaxation.potential import Potential, load_potential

CPU = torch.device("cpu")
EMT, FUSSY = "ase.calculators.emt.EMT", "fake_calculators.FussyLennardJones"
ARGUMENTS = {"sigma": 3.4, "epsilon": 0.0104, "rc": 8.0, "smooth": True}
FCC = np.array([[0, 0, 0], [0.5, 0.45, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])


def crystal(number=ARGON, edge=5.3):
    return Crystal("x", edge * np.eye(3), FCC, np.array([number] * 4))


def evaluate(path, crystals, **arguments):
    return load_potential(path, arguments).evaluator(CPU).evaluate(Geometry.of(crystals, CPU))


def test_a_calculator_of_ase_is_a_potential():
    potential = load_potential(EMT)
    assert isinstance(potential, Potential)
    assert potential.name.startswith("ase.calculators.emt.EMT-3.")
    assert potential.atomic_numbers == set(range(1, 119))
    assert potential.energy_scale is None
    assert load_potential(EMT, {"energy_scale": "effective medium"}).energy_scale == "effective medium"


def test_values_are_those_of_the_calculator():
    evaluation = evaluate("ase.calculators.lj.LennardJones", [crystal(), crystal(edge=5.1)], **ARGUMENTS)
    for index, edge in enumerate([5.3, 5.1]):
        atoms = Atoms(
            [ARGON] * 4, scaled_positions=FCC, cell=[edge] * 3, pbc=True, calculator=LennardJones(**ARGUMENTS)
        )
        assert float(evaluation.energies[index]) == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(evaluation.forces.split(4)[index], atoms.get_forces(), atol=1e-12)
        np.testing.assert_allclose(evaluation.stresses[index], atoms.get_stress(voigt=False), atol=1e-12)
    assert evaluation.refusals == {}


def test_an_exception_refuses_one_crystal_and_leaves_no_trace():
    evaluator = load_potential(FUSSY, ARGUMENTS).evaluator(CPU)
    batch = Geometry.of([crystal(), crystal(UNKNOWN), crystal()], CPU)
    for _ in range(2):
        evaluation = evaluator.evaluate(batch)
        assert evaluation.refusals == {1: "KeyError: 'no parameters for Og'"}
        assert evaluation.energies[0] == evaluation.energies[2] == evaluate(FUSSY, [crystal()], **ARGUMENTS).energies[0]
    alone = Geometry.of([crystal(UNKNOWN)], CPU)
    assert list(evaluator.evaluate(alone).refusals) == list(evaluator.evaluate(alone).refusals) == [0]


def test_elements_that_a_real_calculator_does_not_know_are_refused_with_its_own_words():
    evaluation = evaluate(EMT, [crystal(13, 4.0), crystal(92, 4.0)])
    assert list(evaluation.refusals) == [1]
    assert evaluation.refusals[1].startswith("NotImplementedError: No EMT-potential for U")
    assert torch.isfinite(evaluation.energies[0])


def test_what_is_not_a_number_stays_with_its_crystal():
    evaluation = evaluate(FUSSY, [crystal(NOT_A_NUMBER), crystal()], **ARGUMENTS)
    assert evaluation.refusals == {}
    assert torch.isfinite(evaluation.energies).tolist() == [False, True]


def test_running_out_of_memory_is_no_refusal():
    with pytest.raises(MemoryError):
        evaluate(FUSSY, [crystal(OUT_OF_MEMORY)], **ARGUMENTS)


def test_no_crystals_are_no_work():
    evaluation = evaluate(EMT, [])
    assert evaluation.energies.shape == (0,)
    assert evaluation.forces.shape == (0, 3)
    assert evaluation.stresses.shape == (0, 3, 3)


def test_a_calculator_that_asks_for_a_device_is_told():
    potential = load_potential("fake_calculators.on_device", {"sigma": 3.4})
    assert potential.evaluator(CPU).calculator.told_device == "cpu"
    elsewhere = load_potential("fake_calculators.on_device", {"device": "cuda:1"})
    assert elsewhere.evaluator(CPU).calculator.told_device == "cuda:1"


def test_size_counts_the_pairs_within_six_angstrom():
    size = load_potential(EMT).evaluator(CPU).size(crystal(edge=3.6))
    positions = Atoms("Ar4", scaled_positions=FCC, cell=[3.6] * 3, pbc=True).repeat(7)
    middle = len(positions) // 2
    neighbours = (np.linalg.norm(positions.positions - positions.positions[middle], axis=1) < 6).sum() - 1
    assert size == pytest.approx(4 * neighbours / 2, rel=0.1)


def test_the_hash_follows_arguments_and_the_content_of_files(tmp_path):
    def weights_hash(path=EMT, **arguments):
        return load_potential(path, arguments).weights_hash

    weights, folder = tmp_path / "weights", tmp_path / "folder"
    folder.mkdir()
    hashes = [weights_hash(), weights_hash(asap_cutoff=True), weights_hash(FUSSY), weights_hash(model=str(weights))]
    for content in ("one", "two"):
        weights.write_text(content)
        (folder / "weights").write_text(content)
        hashes += [weights_hash(model=str(weights)), weights_hash(model=str(folder))]
    assert len(set(hashes)) == len(hashes) == 8
    assert weights_hash(model=str(weights.rename(tmp_path / "elsewhere"))) == hashes[-2]
    assert weights_hash(a=1, b=2) == weights_hash(b=2, a=1)


@pytest.mark.parametrize(
    ("path", "arguments", "reason"),
    [
        ("mace_that_is_not_there.calculators.mace_mp", {}, "is its package installed?.*mace_that_is_not_there"),
        ("ase.calculators.no_such.EMT", {}, r"is its package installed?.*ase\.calculators\.no_such"),
        ("ase.calculators.emt.ENT", {}, "the nearest name is 'EMT'"),
        ("fake_calculators.NOT_CALLABLE", {}, "is a int"),
        ("fake_calculators.from_file", {"modle": "x"}, "does not take these arguments"),
        ("fake_calculators.no_calculator", {}, "gives a dict, not an ASE calculator"),
    ],
)
def test_import_paths_that_lead_nowhere_are_refused_with_the_reason(path, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        load_potential(path, arguments).evaluator(CPU)


def test_the_hash_follows_the_source_of_a_calculator_that_is_in_no_package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module, hashes = tmp_path / "my_own_calculator.py", set()
    for constant in (1, 2, 2):
        module.write_text(f"from ase.calculators.emt import EMT\n\nCONSTANT = {constant}\n")
        monkeypatch.delitem(sys.modules, "my_own_calculator", raising=False)
        hashes.add(load_potential("my_own_calculator.EMT").weights_hash)
    assert len(hashes) == 2
