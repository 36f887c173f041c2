"""What can be said of each crystal alone: validity, density, space group, fingerprints."""

import math
from typing import Any

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import reduced_formula, space_group, to_structure
from sunflow.evaluation.composition_fingerprint import composition_fingerprint
from sunflow.evaluation.composition_validity import VALID, definitions
from sunflow.evaluation.cpu_limit import cpu_limit
from sunflow.evaluation.structure_fingerprint import structure_fingerprint
from sunflow.evaluation.validity import defect, geometry_valid, images_apart

MAX_SECONDS = 120.0
"""CPU time of the fingerprints of one crystal; those of 200 atoms take a few seconds."""
PROPERTIES = ("density", "volume_per_atom", "num_elements", "space_group")
FINGERPRINTS = ("structure_fingerprint", "composition_fingerprint")
COLUMNS = (
    "crystal_id",
    "formula",
    "num_atoms",
    "status",
    "reason",
    "structural",
    "structural_with_images",
    "compositional_cdvae",
    "compositional_smact_default",
    "fingerprinted",
    "fingerprint_reason",
    "valid",
    *PROPERTIES,
    *FINGERPRINTS,
)


def measure(crystal: Crystal) -> dict[str, Any]:
    """The row of one crystal, with `COLUMNS`, of plain values.

    A crystal is `valid` (CDVAE) if it is structurally valid, compositionally valid by the rule `cdvae`, and has
    fingerprints. Density is in g/cm³, volume per atom in Å³; what cannot be said is None, with the reason.
    """
    reason = defect(crystal)
    row = nothing_of(crystal, reason)
    if reason:
        return row
    for name, balance in definitions().items():
        row[f"compositional_{name}"] = balance.verdict(crystal)
    row |= {"structural": geometry_valid(crystal)} | _properties(crystal)
    row["structural_with_images"] = row["structural"] and images_apart(crystal)
    row["fingerprint_reason"] = _add_fingerprints(crystal, row)
    row["fingerprinted"] = not row["fingerprint_reason"]
    row["valid"] = row["structural"] and row["compositional_cdvae"] in VALID and row["fingerprinted"]
    return row


def nothing_of(crystal: Crystal, reason: str) -> dict[str, Any]:
    """The row of a crystal of which nothing can be said, for this reason."""
    return dict.fromkeys(COLUMNS) | {
        "crystal_id": crystal.crystal_id,
        "formula": "" if reason else reduced_formula(crystal),
        "num_atoms": crystal.num_atoms,
        "status": "failed" if reason else crystal.status,
        "reason": reason or crystal.reason,
        "structural": False,
        "structural_with_images": False,
        **{f"compositional_{name}": "no_atoms" for name in definitions()},
        "fingerprinted": False,
        "fingerprint_reason": reason,
        "valid": False,
    }


def _properties(crystal: Crystal) -> dict[str, Any]:
    density = float(to_structure(crystal).density)
    return {
        "density": density if math.isfinite(density) else None,
        "volume_per_atom": crystal.volume / crystal.num_atoms,
        "num_elements": len(set(crystal.atomic_numbers.tolist())),
        "space_group": space_group(crystal),
    }


def _add_fingerprints(crystal: Crystal, row: dict[str, Any]) -> str:
    """Both fingerprints, or none and the reason."""
    try:
        with cpu_limit(MAX_SECONDS):
            row["structure_fingerprint"] = structure_fingerprint(crystal).tolist()
            row["composition_fingerprint"] = composition_fingerprint(crystal).tolist()
    except (ValueError, TimeoutError) as error:
        row |= dict.fromkeys(FINGERPRINTS)
        return f"{type(error).__name__}: {error}"
    return ""
