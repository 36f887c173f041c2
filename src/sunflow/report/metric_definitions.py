"""What the published metrics of generation mean, in words for the page."""

from sunflow.report.metric_table import Column

VALIDITY = (
    Column(
        "structural",
        "structural",
        "higher",
        "no two atoms are closer than 0.5 Å, over all periodic images, and the cell has at least 0.1 Å³ (CDVAE)",
        "num_requested",
    ),
    Column(
        "structural_with_images",
        "with own images",
        "higher",
        "structural, and no atom is closer than 0.5 Å to its own periodic images, which CDVAE's rule does not ask; not "
        "part of valid",
        "num_requested",
    ),
    Column(
        "compositional_cdvae",
        "composition, CDVAE",
        "higher",
        "charges can cancel by CDVAE's rule with the oxidation states and electronegativities of SMACT 2.2.1; single "
        "elements and alloys of metals pass",
        "num_requested",
    ),
    Column(
        "compositional_smact_default",
        "composition, SMACT 4",
        "higher",
        "charges can cancel by SMACT 4's own rule and oxidation states; not part of valid",
        "num_requested",
    ),
    Column(
        "valid",
        "valid",
        "higher",
        "structural, composition by CDVAE's rule, and fingerprints that can be computed, all at once (CDVAE)",
        "num_requested",
    ),
)
COVERAGE = (
    Column(
        "recall",
        "recall",
        "higher",
        "reference crystals whose nearest generated structure and nearest generated composition lie within the cutoffs "
        "(COV-R)",
        "num_reference",
    ),
    Column(
        "precision",
        "precision",
        "higher",
        "the same with the roles exchanged: generated crystals that are like a reference crystal (COV-P)",
        "num_requested",
    ),
    Column(
        "amsd_recall",
        "AMSD recall",
        "lower",
        "mean distance from a reference crystal to the nearest generated one, by fingerprint of structure (CrystalNN)",
    ),
    Column("amsd_precision", "AMSD precision", "lower", "the same from a generated crystal to the reference"),
    Column(
        "amcd_recall",
        "AMCD recall",
        "lower",
        "mean distance from a reference crystal to the nearest generated one, by fingerprint of composition (Magpie)",
    ),
    Column("amcd_precision", "AMCD precision", "lower", "the same from a generated crystal to the reference"),
)
NOVELTY = (
    Column("unique_rate", "unique", "higher", "one of each group of equal crystals", "num_requested"),
    Column("matches_none_rate", "matches none", "higher", "matches no other crystal of the set", "num_requested"),
    Column("novel_rate", "novel", "higher", "matches no crystal of the training set", "num_requested"),
    Column(
        "composition_new_rate",
        "new composition",
        "higher",
        "no crystal of the training set has its reduced formula",
        "num_requested",
    ),
)
COSTS = tuple(
    Column(f"{which}seconds_per_{what}", f"{label}, per {name}", "lower", f"{meaning} per {name} crystal, in seconds")
    for which, label, meaning in (
        ("", "sampling", "time of sampling (network, flow, cells)"),
        ("end_to_end_", "all", "wall time of sampling, relaxing and judging"),
    )
    for what, name in (("crystal", "requested"), ("stable", "stable"), ("sun", "S.U.N."))
)
PROPERTIES = {
    "density": "density (g/cm³)",
    "num_elements": "number of elements",
    "volume_per_atom": "volume (Å³/atom)",
    "energy_per_atom": "energy (eV/atom)",
    "space_group": "space group",
}
"""Headings of properties that are compared as distributions."""
