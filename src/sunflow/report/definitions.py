"""What the table's columns and the hulls mean, in sentences for the page."""

from dataclasses import dataclass

COLUMNS = {
    "generator": "the run's name in the configuration; reference is the positive control: crystals of the dataset's "
    "own test split sent through the same relaxation and hull",
    "task": "what was asked of the generator; test for the reference",
    "relaxer": "the potential and settings that relaxed the crystals",
    "hull": "the reference that energies above hull are measured against, with its number of entries",
    "num_requested": "crystals asked for: the denominator of every rate",
    "num_geometry_valid": "crystals with sensible distances and volume as generated; reported, not required",
    "num_converged": "crystals relaxed below the force limit within the allowed steps; only these can be stable",
    "num_covered": "crystals with an energy above hull: the reference knows all their elements",
    "unique_rate": "share that is the lowest in energy among equal crystals of this row",
    "novel_rate": "share that matches no crystal of the training split",
    "metastable_rate": "share at or below the metastable threshold (stable crystals included)",
    "stable_rate": "share at or below the stable threshold",
    "sun_rate": "share that is stable, unique and novel at once, with Wilson's 95 % interval (sampling error alone)",
    "sun_rate_strict": "as S.U.N., counting only crystals whose composition or chemical system is in the reference",
    "sun_rate_with_samples": "as S.U.N., on the hull that all converged crystals of this row have joined: a crystal "
    "that lies above a mixture with other generated ones is not counted",
    "second_opinion": "another relaxer, which relaxes the S.U.N. crystals further and places them on its own hull",
    "num_sun_agreed": "S.U.N. crystals that the second opinion finds stable as well; empty where none was asked for",
    "seconds_per_crystal": "time of sampling (network, flow, cells) per requested crystal, in seconds",
    "seconds_per_stable": "the same per stable crystal (S cost); empty where none was found",
    "seconds_per_sun": "the same per S.U.N. crystal (S.U.N. cost); empty where none was found",
    "end_to_end_seconds_per_crystal": "wall time of sampling, relaxing and judging per requested crystal, in seconds",
    "end_to_end_seconds_per_stable": "the same per stable crystal",
    "end_to_end_seconds_per_sun": "the same per S.U.N. crystal",
    "rmsd_to_relaxed": "mean over the crystals of how far relaxation moved their atoms (root mean square, Å)",
    "matches_none_rate": "share that matches no other crystal of the row, in either order: stricter than unique",
    "composition_new_rate": "share whose reduced formula no crystal of the training split has",
    "novel_in_dataset_rate": "share that matches no crystal of any split",
}


@dataclass(frozen=True)
class Hull:
    """A kind of reference and what to keep in mind about it."""

    title: str
    meaning: str


HULLS = {
    "materials_project": Hull(
        "Materials Project",
        "The convex hull of the Materials Project's computed formation energies (PBE, PBE+U, corrected). The potential "
        "is trained on that scale, so its energies are compared without further correction.",
    ),
    "dataset": Hull(
        "the dataset's own columns",
        "The hull that the dataset's formation energies and energies above hull imply: exact at the compositions in "
        "the dataset, and at most as low as the full hull elsewhere, so that too many crystals may look stable.",
    ),
    "self_consistent": Hull(
        "self-consistent",
        "The hull of the dataset's own crystals and the elements, relaxed by the same potential to the same forces as "
        "the generated ones. Systematic errors of the potential cancel in part; phases that the dataset lacks are "
        "missing, so that too many crystals may look stable.",
    ),
    "entries": Hull(
        "your own entries",
        "The hull of the entries in the user's own file. Whether their energies are on the potential's scale is for "
        "the user to know; phases that the file lacks are missing, so that too many crystals may look stable.",
    ),
}

CITATIONS = {
    "CDVAE": (
        "Xie et al., Crystal Diffusion Variational Autoencoder for Periodic Material Generation, ICLR 2022",
        "arxiv.org/abs/2110.06197",
    ),
    "CrysBFN": ("Wu et al., A Periodic Bayesian Flow for Material Generation, ICLR 2025", "arxiv.org/abs/2502.02016"),
    "CHGNet": ("Deng et al., Nature Machine Intelligence 5, 1031 (2023)", "doi.org/10.1038/s42256-023-00716-3"),
    "matminer": (
        "Ward et al., Computational Materials Science 152, 60 (2018)",
        "doi.org/10.1016/j.commatsci.2018.05.018",
    ),
    "pymatgen": (
        "Ong et al., Computational Materials Science 68, 314 (2013)",
        "doi.org/10.1016/j.commatsci.2012.10.028",
    ),
    "SMACT": ("Davies et al., Journal of Open Source Software 4, 1361 (2019)", "doi.org/10.21105/joss.01361"),
    "spglib": (
        "Togo et al., Science and Technology of Advanced Materials: Methods 4, 2384822 (2024)",
        "doi.org/10.1080/27660400.2024.2384822",
    ),
    "Materials Project": ("Jain et al., APL Materials 1, 011002 (2013)", "doi.org/10.1063/1.4812323"),
    "Snakemake": ("Mölder et al., F1000Research 10, 33 (2021)", "doi.org/10.12688/f1000research.29032.2"),
}
METRICS_CITED = ("CDVAE", "matminer", "pymatgen", "SMACT", "spglib")
"""Those that the metrics alone stand on."""
