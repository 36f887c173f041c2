"""A hull of the user's own entries, as they come and as they should not."""

import gzip
import json

import pandas as pd
import pytest
from pymatgen.analysis.phase_diagram import PDEntry
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.entries.computed_entries import (
    CompositionEnergyAdjustment,
    ComputedEntry,
    ComputedStructureEntry,
    ConstantEnergyAdjustment,
    TemperatureEnergyAdjustment,
)

from sunflow.evaluation.hull_elements import HullError
from sunflow.evaluation.hull_entries import OWN_SCALE, entries
from sunflow.registry import MP2020
from sunflow.relaxation import potential


@pytest.fixture
def elements(tmp_path):
    path = tmp_path / "elements.json.gz"
    content = {"Na": {"energy": -2.6, "composition": {"Na": 2.0}}, "N": {"energy": -8.3, "composition": {"N": 1.0}}}
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def table(folder, name="mine.csv", **columns):
    pd.DataFrame(columns).to_csv(folder / name, index=False)
    return folder / name


def as_json(folder, content, name="mine.json"):
    (folder / name).write_text(json.dumps(content))
    return folder / name


def text(folder, content, name="mine.csv"):
    (folder / name).write_text(content)
    return folder / name


def test_the_scale_is_called_as_potentials_call_it():
    assert potential.load_potential("chgnet").energy_scale == MP2020


def test_total_energies_are_relative_to_the_lowest_pure_elements(tmp_path):
    path = table(
        tmp_path,
        "mine.csv.gz",
        formula=["Na", "Na2", "N2", "Na2N2", "Na3N", "NaCl"],
        energy_per_atom=[-1.2, -1.3, -8.0, -5.0, -3.0, -3.0],
    )
    hull = entries([], [path])
    assert hull.element_energies == {"Na": -1.3, "N": -8.0}
    assert hull.energy(Composition("NaN")) == pytest.approx(-5.0 + 9.3 / 2)
    assert set(hull.entries["formula"]) == {"Na", "N2", "NaN", "Na3N"}
    assert set(hull.entries["source"]) == {"mine.csv.gz"}
    assert hull.coverage(Composition("NaCl")) == "not_covered"
    assert hull.metadata == {
        "hull": "entries",
        "potential": None,
        "weights_hash": None,
        "correction": "as in the user's file",
        "energy_scale": OWN_SCALE,
    }


def test_formation_energies_take_the_elements_of_the_second_file(tmp_path, elements):
    path = table(tmp_path, id=["a", "b"], formula=["NaN", "Na0.5N0.5"], formation_energy_per_atom=[-0.2, -0.3])
    hull = entries([], [path, elements])
    assert hull.element_energies == {"Na": -1.3, "N": -8.3}
    assert hull.energy(Composition("NaN")) == pytest.approx(-0.3)
    assert set(hull.entries["entry_id"]) == {"a", "b", "element-Na", "element-N"}
    assert hull.metadata["energy_scale"] == MP2020


def pymatgen_entries():
    structure = Structure(Lattice.cubic(3.0), ["Na", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    adjustments = [
        ConstantEnergyAdjustment(-0.1),
        CompositionEnergyAdjustment(-0.2, 2, name="MP2020 anion correction"),
        TemperatureEnergyAdjustment(-0.001, 100, 2),
    ]
    return [
        ComputedEntry("Na2", -2.6, entry_id="na"),
        ComputedEntry({"N": 8}, -60.0, correction=-4.0, entry_id="n"),
        ComputedStructureEntry(structure, -9.0, energy_adjustments=adjustments, entry_id="nan"),
        PDEntry("Na6N2", -24.0),
        ComputedEntry({"Na+": 2, "N3-": 1}, -10.0, entry_id="ions"),
    ]


@pytest.mark.parametrize("by_id", [False, True])
def test_pymatgen_entries_with_their_adjustments(tmp_path, by_id):
    given = [entry.as_dict() for entry in pymatgen_entries()]
    path = as_json(tmp_path, {f"id{i}": entry for i, entry in enumerate(given)} if by_id else given)
    hull = entries([], [path])
    assert hull.element_energies == {"Na": -1.3, "N": -8.0}
    for entry in pymatgen_entries()[2:]:
        formation = hull.formation_energy(entry.composition, entry.energy_per_atom)
        row = hull.entries[hull.entries["formula"] == entry.composition.reduced_formula].iloc[0]
        assert row["formation_energy_per_atom"] == pytest.approx(formation, abs=1e-12)
    names = {f"id{i}" for i in range(5)} if by_id else {"na", "n", "nan", "3", "ions"}
    assert set(hull.entries["entry_id"]) == names
    assert hull.metadata["energy_scale"] == MP2020


def test_no_class_of_the_file_is_loaded(tmp_path):
    """What MontyDecoder would import and call stays text."""
    trap = {"@module": "pathlib", "@class": "Path", "data": str(tmp_path / "touched")}
    good = {"@module": "os", "@class": "ComputedEntry", "composition": {"Na": 1}, "energy": -1.3, "parameters": trap}
    assert entries([], [as_json(tmp_path, [good])]).element_energies == {"Na": -1.3}


GOOD = {"composition": {"Na": 1}, "energy": -1.3}
HOSTILE_JSON = {
    "number": (5, "list of pymatgen entries"),
    "empty": ([], "holds no entry"),
    "not entries": (["Na"], "entry 0 is of the kind str"),
    "a single entry": (GOOD, "'composition' is of the kind dict|'energy' is of the kind float|'composition'"),
    "other class": ([{**GOOD, "@class": "GibbsComputedStructureEntry"}], "entry 0 is of the kind Gibbs"),
    "no energy": ([{"composition": {"Na": 1}}], "entry '0'.*energy is None"),
    "text as energy": ([{**GOOD, "energy": "-1.3"}], "energy is '-1.3'"),
    "true as energy": ([{**GOOD, "energy": True}], "energy is True"),
    "no number": ([GOOD, {**GOOD, "energy": float("nan")}], "entry '1'.*energy is nan"),
    "no composition": ([{"energy": -1.3}], "KeyError\\('composition'\\)"),
    "empty composition": ([{**GOOD, "composition": {}}], "ZeroDivisionError"),
    "negative amount": ([{**GOOD, "composition": {"Na": -2, "N": 4}}], "is not a formula"),
    "no element": ([{**GOOD, "composition": {"Xx": 1}}], "not made of elements"),
    "text as composition": ([{**GOOD, "composition": "Na2"}], "cannot be read"),
    "unknown adjustment": ([{**GOOD, "energy_adjustments": [{"name": "mine"}]}], "none of value, adj_per_atom"),
    "no pure element": ([{"composition": {"Na": 1, "N": 1}, "energy": -9.0}], "no entry of a pure element"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(HullError, match=f"mine.json.*({message})"):
        entries([], [as_json(tmp_path, content)])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.json", b"{'Na'"),
        ("mine.json", b"\x80\x04\x95"),
        ("mine.json", b"[" * 100_000),
        ("mine.json.gz", b"no gzip"),
        ("mine.json.gz", gzip.compress(b"[" + b"1, " * 9999, mtime=0)[:-12]),
    ],
)
def test_what_is_not_json_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HullError, match=f"{name} cannot be read as JSON"):
        entries([], [tmp_path / name])


HOSTILE_CSV = {
    "nothing": ("", "cannot be read as CSV"),
    "only a header": ("formula,energy_per_atom\n", "holds no entry"),
    "no formula": ("name,energy_per_atom\nNa,-1\n", "no column formula_pretty or formula"),
    "no energy": ("formula,energy\nNa,-1\n", "must have one of the columns energy_per_atom and"),
    "both energies": ("formula,energy_per_atom,formation_energy_per_atom\nNa,-1,0\n", "must have one of the columns"),
    "empty energy": ("formula,energy_per_atom\nNa,-1\nNaN,\n", "row 2: the energy is missing"),
    "text": ("formula,energy_per_atom\nNa,low\n", "row 1: the energy is missing or not a finite number"),
    "infinite": ("formula,energy_per_atom\nNa,-inf\n", "row 1: the energy is missing or not a finite number"),
    "empty formula": ("formula,energy_per_atom\nNa,-1\n,-1\n", "row 2: '' is not"),
    "no formula at all": ("formula,energy_per_atom\n???,-1\n", r"row 1: '\?\?\?' is not a formula"),
    "unknown element": ("formula,energy_per_atom\nXx2O,-1\n", "row 1: 'Xx2O' is not"),
    "no pure element": ("formula,energy_per_atom\nNaN,-9\n", "no entry of a pure element"),
    "formation energies alone": ("formula,formation_energy_per_atom\nNaN,-0.2\n", "give a second file"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE_CSV.values(), ids=HOSTILE_CSV)
def test_hostile_csv_is_refused_with_its_row(tmp_path, content, message):
    with pytest.raises(HullError, match=f"mine.csv.*{message}"):
        entries([], [text(tmp_path, content)])


def test_total_energies_named_formation_energies_are_noticed(tmp_path, elements):
    path = table(tmp_path, formula=["Na", "NaN"], formation_energy_per_atom=[-1.3, -5.0])
    with pytest.raises(HullError, match=r"the element Na has a formation energy of -1\.3 eV/atom"):
        entries([], [path, elements])


@pytest.mark.parametrize("content", [[1], {"Na": 5}, {"Na": {"energy": -1.0}}, {"Na": {"energy": None}}])
def test_a_malformed_file_of_elements_is_named(tmp_path, content):
    path = table(tmp_path, formula=["NaN"], formation_energy_per_atom=[-0.1])
    with pytest.raises(HullError, match=r"elements\.json.*elemental reference file"):
        entries([], [path, as_json(tmp_path, content, "elements.json")])


def test_no_file_at_all():
    with pytest.raises(HullError, match="needs a file of entries"):
        entries([], [])
