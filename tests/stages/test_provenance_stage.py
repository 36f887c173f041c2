"""What the results were made from is written down."""

import json

import numpy as np

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.files import write_crystals
from sunflow.provenance import file_hash
from sunflow.stages.provenance import provenance


def test_hashes_versions_seeds_and_seconds(tmp_path):
    crystal = Crystal("a", np.eye(3), np.zeros((1, 3)), np.array([1]))
    relaxed = tmp_path / "relaxed.parquet"
    write_crystals(relaxed, [crystal], {"potential": "toy", "weights_hash": "abc"})
    logs = tmp_path / "logs"
    (logs / "crysbfn").mkdir(parents=True)
    (logs / "crysbfn" / "train.benchmark.tsv").write_text("s\th:m:s\n12.5\t0:00:12\n")
    (logs / "niggli.benchmark.tsv").write_text("s\th:m:s\n2.0\t0:00:02\n")
    settings = {"seed": 7, "generators": {"crysbfn": {"seed": 3}}}

    provenance(settings, {"relaxed": str(relaxed)}, logs, tmp_path / "provenance.json")

    written = json.loads((tmp_path / "provenance.json").read_text())
    assert written["configuration"] == settings
    assert written["seeds"] == {"seed": 7, "generators.crysbfn.seed": 3}
    assert written["files"]["relaxed"]["sha256"] == file_hash(relaxed)
    assert written["potentials"] == [{"potential": "toy", "weights_hash": "abc"}]
    assert sorted(written["seconds"].values()) == [2.0, 12.5]
    assert written["versions"]["torch"].startswith("2.")
    assert written["hardware"]
