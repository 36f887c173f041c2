"""Every kind of hull, from the files that it is built from."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pymatgen.core import Composition

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation.hull_elements import HullError, read_element_energies
from sunflow.evaluation.hull_sources import KINDS

SHARED = Path(__file__).parents[2].parent / "shared/data"


def crystal(name, atomic_numbers, **properties):
    frac_coords = np.zeros((len(atomic_numbers), 3))
    return Crystal(name, 4 * np.eye(3), frac_coords, np.array(atomic_numbers), properties=properties)


@pytest.fixture
def elements(tmp_path):
    entries = {
        "Na": {"energy": -2.6, "composition": {"Na": 2.0}, "energy_adjustments": []},
        "N": {"energy": -16.0, "composition": {"N": 2.0}, "energy_adjustments": [{"value": -0.6}]},
    }
    path = tmp_path / "elements.json.gz"
    path.write_bytes(gzip.compress(json.dumps(entries).encode()))
    return path


def test_element_energies_include_their_correction(elements):
    assert read_element_energies(elements) == {"Na": pytest.approx(-1.3), "N": pytest.approx(-8.3)}


def write_table(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_materials_project_gives_the_exact_hull_energy(tmp_path, elements):
    """`NaN` is sodium nitride, and an entry above the hull still says where the hull is."""
    table = write_table(
        tmp_path / "mp.csv.gz",
        material_id=["a", "b", "c"],
        formula_pretty=["NaN", "Na3N", "Na2N"],
        formation_energy_per_atom=["-0.1", "0.5", ""],
        energy_above_hull=["0.2", "0.4", "0.1"],
    )
    hull = KINDS["materials_project"]([], [table, elements])
    assert set(hull.entries["formula"]) == {"NaN", "Na3N", "Na", "N2"}
    assert hull.energy(Composition("NaN")) == pytest.approx(-0.3)
    assert hull.coverage(Composition("Na3N")) == "same_composition"
    assert hull.metadata["correction"].startswith("MP2020")


def test_a_missing_column_is_named_with_the_alternatives(tmp_path, elements):
    table = write_table(tmp_path / "mp.csv", material_id=["a"], formula_pretty=["NaN"], energy_above_hull=[0.1])
    with pytest.raises(HullError, match=r"mp\.csv has no column formation_energy_per_atom.*self_consistent"):
        KINDS["materials_project"]([], [table, elements])


def test_dataset_rows_without_both_columns_give_none(elements):
    crystals = [
        crystal("a", [11, 7], formation_energy_per_atom=-0.1, energy_above_hull=0.2),
        crystal("b", [11, 11, 7], formation_energy_per_atom=-0.9, energy_above_hull=None),
    ]
    hull = KINDS["dataset"](crystals, [elements])
    assert hull.energy(Composition("NaN")) == pytest.approx(-0.3)
    assert hull.coverage(Composition("Na2N")) == "same_system"


def test_a_dataset_without_the_columns_is_told_what_else_there_is(elements):
    with pytest.raises(HullError, match="self_consistent"):
        KINDS["dataset"]([crystal("a", [11, 7])], [elements])


def energies(path, rows):
    columns = ("entry_id", "formula", "energy_per_atom", "source", "status", "reason")
    table = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows])
    header = {"potential": "toy", "weights_hash": "abc"}
    pq.write_table(table.replace_schema_metadata({"sunflow": json.dumps(header)}), path)
    return path


def test_self_consistent_energies_cancel_the_potentials_offset(tmp_path):
    rows = [
        ("na1", "Na", -1.2, "dataset", "ok", ""),
        ("na2", "Na", -1.3, "dataset", "ok", ""),
        ("n", "N2", -8.0, "element", "ok", ""),
        ("nan", "NaN", -5.0, "dataset", "ok", ""),
        ("bad", "Na3N", None, "dataset", "failed", "overlap"),
        ("lost", "NaCl", -3.0, "dataset", "ok", ""),
    ]
    shifted = [(*row[:2], row[2] and row[2] + 7.0, *row[3:]) for row in rows]
    plain = KINDS["self_consistent"]([], [energies(tmp_path / "plain.parquet", rows)])
    offset = KINDS["self_consistent"]([], [energies(tmp_path / "offset.parquet", shifted)])
    assert plain.element_energies == {"Na": -1.3, "N": -8.0}
    assert plain.energy(Composition("NaN")) == pytest.approx(-5.0 + 0.5 * 9.3)
    assert offset.energy(Composition("NaN")) == pytest.approx(plain.energy(Composition("NaN")))
    assert "NaCl" not in set(plain.entries["formula"])
    assert plain.metadata["weights_hash"] == "abc"


@pytest.mark.skipif(not SHARED.exists(), reason="the real data are not here")
def test_mp20_reproduces_its_own_energies_above_hull():
    table = pd.read_csv(SHARED / "mp_20/val.csv.gz", keep_default_na=False).head(400)
    table["formula"] = [Composition(formula).reduced_formula for formula in table["pretty_formula"]]
    crystals = [
        crystal(
            row.material_id,
            [
                site.Z
                for site in Composition(row.pretty_formula).elements
                for _ in range(int(Composition(row.pretty_formula)[site]))
            ],
            formation_energy_per_atom=row.formation_energy_per_atom,
            energy_above_hull=row.e_above_hull,
        )
        for row in table.itertuples()
    ]
    hull = KINDS["dataset"](crystals, [SHARED / "hull/2023-02-07-mp-elemental-reference-entries.json.gz"])
    assert len(hull.element_energies) == 89
    for row in table.itertuples():
        composition = Composition(row.formula)
        above = row.formation_energy_per_atom - hull.energy(composition)
        assert above >= row.e_above_hull - 1e-6 or hull.coverage(composition) != "same_composition"
        assert hull.energy(composition) <= row.formation_energy_per_atom - row.e_above_hull + 1e-9
