"""The `datasets` section: where crystals come from."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sunflow.configuration.values import (
    Count,
    Fraction,
    KnownGenerator,
    KnownRelaxer,
    Names,
    Positive,
    Section,
    Text,
    wrong_keys,
)

OFFICIAL = ("perov5", "carbon24", "mp20", "mpts52")
"""Datasets whose official files Sunflow knows."""
SPLITS = ("train", "val", "test")
TAKEN = {"crystal_id", "status", "reason", "lattice", "frac_coords", "atomic_numbers", "split", "note"} | {
    "space_group",
    "wyckoff",
    "num_atoms",
    "target",
}
"""Columns that crystals have anyway."""
Part = Literal["train", "val", "test", "all"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Columns(Section):
    """Which columns of a table hold what."""

    id: Text = Field(default="material_id", description="The crystals' names.")
    cif: Text = Field(default="cif", description="The CIF texts.")


class Fractions(Section):
    """How a dataset without splits is split."""

    val: Fraction = 0.1
    test: Fraction = 0.1

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> "Fractions":
        if self.val + self.test >= 1:
            allowed = "val and test together must be below 1, so that something is left to train on"
            raise wrong_keys("fractions", [("test", self.test, allowed)])
        return self


class Dataset(Section):
    """Crystals to learn from, and the hull that new ones are held against."""

    source: Literal["embedded", "official", "files"] = Field(
        description="embedded: comes with Sunflow; official: downloaded and verified; files: your own."
    )
    max_atoms: Count = Field(default=20, description="Crystals with more atoms in their cell are dropped.")
    hull: Literal["materials_project", "dataset", "self_consistent", "entries"] = Field(
        description="The reference that energies above hull are measured from."
    )
    benchmark: Literal["perov5", "carbon24", "mp20", "mpts52"] | None = Field(
        default=None, description="Whose published figures stand beside ours; null is an official dataset's own name."
    )
    hull_files: Annotated[list[Text], Field(max_length=2)] = Field(
        default=[], description="Of `hull: entries`: your entries and, for formation energies, the elements'."
    )
    files: dict[Part, Text] = Field(default={}, description="Your own: train, val and test, or all.")
    sha256: dict[Part, Digest] = Field(default={}, description="Hashes that your files must have.")
    fractions: Fractions | None = Field(default=None, description="Parts of `all` for validation and test.")
    columns: Columns = Columns()
    properties: dict[Text, Text] = Field(
        default={}, description="Numbers to keep: their name here, their column in the file."
    )
    symmetry_tolerance: Positive = Field(
        default=0.1, description="Å; how far atoms may miss the symmetry of their asymmetric unit."
    )
    generators: Names[KnownGenerator] | None = Field(default=None, description="Which generators to run; null is all.")
    relaxers: Names[KnownRelaxer] | None = Field(default=None, description="Which relaxers to run; null is the first.")

    @model_validator(mode="after")
    def _agree(self) -> "Dataset":
        problems: list[tuple[str, Any, str]] = []
        if self.source == "files":
            if sorted(self.files) not in (["all"], sorted(SPLITS)):
                allowed = "`source: files` needs the files {train: …, val: …, test: …}, or {all: …} to be split"
                problems.append(("files", self.files, allowed))
            if self.fractions and "all" not in self.files:
                problems.append(("fractions", self.fractions, "goes with `files: {all: …}` only"))
            if unmatched := sorted(set(self.sha256) - set(self.files)):
                problems.append(("sha256", unmatched, "holds hashes of the files named in `files`, by the same keys"))
        else:
            own = ("files", "sha256", "fractions", *(("columns", "properties") if self.source == "embedded" else ()))
            given = [key for key in own if key in self.model_fields_set]
            problems += [(key, getattr(self, key), f"does not go with `source: {self.source}`") for key in given]
        if bool(self.hull_files) != (self.hull == "entries"):
            allowed = "names your CSV or JSON of entries with `hull: entries`, and goes with no other hull"
            problems.append(("hull_files", self.hull_files, allowed))
        if taken := sorted(set(self.properties) & TAKEN):
            problems.append(("properties", taken, "these names are taken by Sunflow's own columns; choose others"))
        if problems:
            raise wrong_keys("dataset", problems)
        return self
