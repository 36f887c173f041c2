"""`python -m sunflow evaluate`, with all that people may give it."""

import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from sunflow.__main__ import main
from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import read_crystals, write_crystals
from sunflow.stages.evaluate import TABLES


def cif(atoms=(("Na", (0, 0, 0)), ("Cl", (0.5, 0.5, 0.5))), lengths=(3.3, 3.3, 3.3), angles=(90, 90, 90)):
    lattice = Lattice.from_parameters(*lengths, *angles)
    return str(CifWriter(Structure(lattice, [species for species, _ in atoms], [place for _, place in atoms])))


def changed(old, new, count=-1):
    text = cif()
    assert old in text
    return text.replace(old, new, count)


RANDOM = np.random.default_rng(0)
LATTICE = 8.0 * np.eye(3)
LENGTH = "_cell_length_a   3.30000000"
FIRST = "0.00000000  0.00000000  0.00000000"
UNREADABLE = {
    "empty": "",
    "spaces": "  \n \n",
    "bytes": RANDOM.bytes(400).decode("latin-1"),
    "web_page": "<!doctype html><html><body>404 Not Found</body></html>",
    "cut_short": cif()[:150],
    "no_cell": changed("_cell_length", "_cell_width"),
    "no_atoms": cif().split("loop_\n _atom")[0],
    "length_zero": changed(LENGTH, "_cell_length_a   0"),
    "length_word": changed(LENGTH, "_cell_length_a   long"),
    "length_unknown": changed(LENGTH, "_cell_length_a   ?"),
    "length_nan": changed(LENGTH, "_cell_length_a   nan"),
    "length_infinite": changed(LENGTH, "_cell_length_a   inf"),
    "angles_of_no_cell": cif()
    .replace("_alpha   90.00000000", "_alpha   170.0")
    .replace("_beta   90.00000000", "_beta   60.0"),
    "angle_zero": changed("_cell_angle_gamma   90.00000000", "_cell_angle_gamma   0.0"),
    "place_nan": changed(FIRST, "nan 0 0"),
    "place_word": changed(FIRST, "here 0 0"),
    "unknown_element": cif().replace("Na", "Xx"),
    "half_occupied": cif((({"Na": 0.5}, (0, 0, 0)), ("Cl", (0.5, 0.5, 0.5)))),
    "mixed_site": cif((({"Na": 0.5, "K": 0.5}, (0, 0, 0)), ("Cl", (0.5, 0.5, 0.5)))),
    "huge_cell": cif(lengths=(1000, 1000, 1000)),
}
"""CIFs that are no crystal."""
READABLE = {
    "salt": cif(),
    "salt_again": cif(),
    "one_atom": cif((("Cu", (0, 0, 0)),), (2.5, 2.5, 2.5), (60, 60, 60)),
    "same_place": cif((("Na", (0, 0, 0)), ("Cl", (0, 0, 0.004)))),
    "too_close": cif((("Na", (0, 0, 0)), ("Cl", (0.1, 0, 0)))),
    "near_its_image": cif((("Cu", (0, 0, 0)),), (0.45, 5, 5)),
    "isolated": cif((("Ar", (0, 0, 0)),), (40, 40, 40)),
    "needle": cif((("Fe", (0, 0, 0)),), (2.5, 2.5, 60)),
    "plate": cif((("C", (1 / 3, 2 / 3, 0)), ("C", (2 / 3, 1 / 3, 0))), (2.46, 2.46, 15), (90, 90, 120)),
    "noble_gas": cif((("Ne", (0, 0, 0)), ("He", (0.5, 0.5, 0.5)))),
    "radioactive": cif((("Po", (0, 0, 0)), ("At", (0.5, 0.5, 0.5)))),
    "heaviest": cif((("Og", (0, 0, 0)), ("O", (0.5, 0.5, 0.5)))),
    "deuterium": cif((("D", (0, 0, 0)), ("Li", (0.5, 0.5, 0.5)))),
    "ions": cif((("Na+", (0, 0, 0)), ("Cl-", (0.5, 0.5, 0.5)))),
    "outside_the_cell": cif((("Na", (7.25, -3, 0)), ("Cl", (0.5, 0.5, 0.5)))),
    "ten_elements": cif([(name, RANDOM.random(3)) for name in "Mn Fe Co Ni Cu Cr V O S Se".split()], (9, 9, 9)),
    "flat_angles": cif((("Si", (0, 0, 0)),), (4, 4, 4), (20, 20, 20)),
    "two_hundred_atoms": cif(
        [("Ca" if sum(place) % 2 else "O", np.array(place) / (5, 5, 8)) for place in np.ndindex(5, 5, 8)], (12, 12, 19)
    ),
    "windows_lines": cif().replace("\n", "\r\n"),
    "ünïcode name": cif(),
}
"""CIFs that are, however odd."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "reference.parquet"
    places = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
    write_crystals(
        path, [Crystal(f"r{i}", (3 + 0.1 * i) * np.eye(3), places, np.array([11 + 8 * (i % 2), 17])) for i in range(6)]
    )
    return path


def evaluate(crystals, reference, output, *options):
    main(
        ["evaluate", str(crystals), "--reference", str(reference), "--output", str(output), "--threads", "1", *options]
    )
    return {name: pd.read_csv(output / name) for name in TABLES}


def test_forty_hostile_crystals_are_all_accounted_for(tmp_path, reference):
    """Each is one row with a status; what cannot be read has a reason, and no denominator is smaller for it."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, text in (UNREADABLE | READABLE).items():
        (folder / f"{name}.cif").write_text(text, encoding="utf-8")
    (folder / "again").mkdir()
    (folder / "again/salt.cif").write_text(cif())
    (folder / "broken_link.cif").symlink_to(tmp_path / "nowhere")
    given = len(UNREADABLE) + len(READABLE) + 2
    assert given >= 40

    tables = evaluate(folder, reference, tmp_path / "out", "--name", "hostile")

    crystals = {crystal.crystal_id: crystal for crystal in read_crystals(tmp_path / "out/samples.parquet")}
    assert len(crystals) == given
    for name in [*UNREADABLE, "broken_link"]:
        assert crystals[name].status == "failed" and crystals[name].reason, name
    for name in [*READABLE, "salt_2"]:
        assert crystals[name].status == "ok", (name, crystals[name].reason)
    measured = pd.read_csv(tmp_path / "out/measures.csv", keep_default_na=False).set_index("crystal_id")
    assert len(measured) == given
    assert (measured["fingerprinted"] | measured["fingerprint_reason"].ne("")).all()
    invalid = ["same_place", "too_close"]
    assert not measured.loc[invalid, "structural"].any()
    assert not measured.loc["near_its_image", "structural_with_images"]
    assert measured.loc["heaviest", "compositional_cdvae"] == "no_oxidation_states"
    assert measured.loc["ten_elements", "compositional_cdvae"] in ("balanced", "unbalanced", "too_many_combinations")
    row = tables["validity.csv"].set_index("generator").loc["hostile"]
    assert row["num_requested"] == given
    assert row["structural"] == pytest.approx((len(READABLE) + 1 - len(invalid)) / given)
    assert tables["coverage.csv"].set_index("generator").loc["hostile", "num_requested"] == given


def test_a_folder_of_nothing_readable(tmp_path, reference):
    folder = tmp_path / "nothing"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}.cif").write_text("nothing")
    tables = evaluate(folder, reference, tmp_path / "out")
    row = tables["validity.csv"].set_index("generator").loc["nothing"]
    assert (row["num_requested"], row["structural"], row["valid"]) == (1000, 0, 0)
    assert row["valid_high"] < 0.005


def test_unique_and_novel_where_a_train_split_is_given(tmp_path, reference):
    known = read_crystals(reference)
    own = [known[0], replace(known[0], crystal_id="twin"), known[2], Crystal.failure("failed", "no")]
    write_crystals(tmp_path / "own.parquet", own)
    write_crystals(tmp_path / "train.parquet", known[2:3])
    evaluate(tmp_path / "own.parquet", reference, tmp_path / "out", "--train", str(tmp_path / "train.parquet"))
    files = [path for path in (tmp_path / "out").iterdir() if path.name != "report.html"]
    before = {path: path.read_bytes() for path in files}
    row = pd.read_csv(tmp_path / "out/novelty.csv").iloc[0]
    assert (row["num_requested"], row["unique_rate"], row["matches_none_rate"]) == (4, 0.25, 0.0)
    assert row["novel_rate"] == row["composition_new_rate"] == 0.0, "same structure type and elements at any volume"
    assert row["unique_rate_low"] < 0.25 < row["unique_rate_high"]
    evaluate(tmp_path / "own.parquet", reference, tmp_path / "out", "--train", str(tmp_path / "train.parquet"))
    assert {path: path.read_bytes() for path in files} == before, "a second call changes nothing"
    evaluate(tmp_path / "own.parquet", reference, tmp_path / "out")
    without = pd.read_csv(tmp_path / "out/novelty.csv")
    assert "novel_rate" not in without and without.loc[0, "unique_rate"] == 0.25
    similar = pd.read_csv(tmp_path / "out/similarity.csv", keep_default_na=False).set_index("crystal_id")
    assert similar.loc["twin", "same_as"] == "r0" and similar.loc["failed", "reason"] == "no"


def escaping(folder):
    with zipfile.ZipFile(folder / "escaping.zip", "w") as archive:
        archive.writestr("../../evil.cif", cif())
    return folder / "escaping.zip"


def empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (escaping, "leads out of the archive"),
        (empty, "holds no crystals"),
        (lambda folder: folder / "missing.csv", "there is no file or folder"),
        (lambda folder: folder, "holds no crystals"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(tmp_path, reference, make, sentence):
    with pytest.raises(SystemExit, match=sentence):
        evaluate(make(tmp_path), reference, tmp_path / "out")


def test_it_must_be_told_what_to_judge_against(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "a.csv", "--output", str(tmp_path / "out")])
    assert "--dataset" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="Snakefile"):
        main(["evaluate", "a.csv", "--dataset", "mp20", "--output", str(tmp_path / "out")])
