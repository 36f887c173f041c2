"""Is a predicted structure the one that its composition has? Predictions and targets are paired by their ids."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pymatgen.analysis.structure_matcher import StructureMatcher

from sunflow.crystals.crystal import Crystal
from sunflow.crystals.structures import to_structure
from sunflow.evaluation.composition_validity import composition_valid
from sunflow.evaluation.cpu_limit import cpu_limit
from sunflow.evaluation.validity import defect, geometry_valid

TOLERANCES = {"stol": 0.5, "angle_tol": 10, "ltol": 0.3}
"""Of the match (CDVAE): displacement in (V/N)^(1/3), degrees, relative length."""
MAX_SECONDS = 60.0
"""CPU time of one comparison; the slowest known takes 1.7 s."""
STATUSES = ("ok", "failed", "not_compared")
"""Of a row: compared, no crystal was predicted, the comparison ended with an error."""
COLUMNS = (
    "target_id",
    "candidate",
    "status",
    "reason",
    "structure_valid",
    "composition_valid",
    "target_valid",
    "rmsd",
)


@dataclass(frozen=True)
class Pair:
    """A prediction and the crystal whose composition was given; `candidate` counts its predictions from 0."""

    prediction: Crystal
    target: Crystal
    candidate: int


def pair_by_id(predictions: Sequence[Crystal], targets: Sequence[Crystal]) -> list[Pair]:
    """Every prediction with its target, ordered by the target's id and candidate, whatever the order of both.

    The properties `target_id` and `candidate` say what belongs together. Where no crystal has a `target_id`, they are
    the positive control: each is candidate 0 of the target with its own id.

    Raises:
        ValueError: A target is missing or has another composition, or the candidates of one are not 0, 1, … as many as
            those of every other.
    """
    control = all(prediction.properties.get("target_id") is None for prediction in predictions)
    by_id = {target.crystal_id: target for target in targets}
    pairs = [_pair(prediction, by_id, control) for prediction in predictions]
    pairs.sort(key=lambda pair: (pair.target.crystal_id, pair.candidate))
    _check_candidates(pairs)
    return pairs


def _pair(prediction: Crystal, targets: dict[str, Crystal], control: bool) -> Pair:
    name, properties = prediction.crystal_id, prediction.properties
    target_id, candidate = (name, 0) if control else (properties.get("target_id"), properties.get("candidate"))
    if not isinstance(target_id, str) or not isinstance(candidate, int):
        raise ValueError(f"{name} has target_id {target_id!r} and candidate {candidate!r}, not a name and a number")
    if target_id not in targets:
        raise ValueError(f"{name} is a prediction of {target_id}, which is not among the targets: sample anew")
    target = targets[target_id]
    if prediction.num_atoms and sorted(prediction.atomic_numbers) != sorted(target.atomic_numbers):
        raise ValueError(f"{name} has not the atoms of the cell of {target_id}, which it predicts: sample anew")
    return Pair(prediction, target, candidate)


def _check_candidates(pairs: Sequence[Pair]) -> None:
    found: dict[str, list[int]] = defaultdict(list)
    for pair in pairs:
        found[pair.target.crystal_id].append(pair.candidate)
    number = max(map(len, found.values()), default=0)
    for target_id, candidates in found.items():
        if candidates != list(range(number)):
            raise ValueError(f"{target_id} has the candidates {candidates}, not 0 to {number - 1}: sample anew")


def judge(pair: Pair) -> dict[str, Any]:
    """The row of one prediction, with `COLUMNS`."""
    prediction, target = pair.prediction, pair.target
    reason = defect(prediction)
    status, rmsd = "failed", None
    if not reason:
        status, reason, rmsd = _compared(prediction, target)
    return {
        **row_of(pair, status, reason),
        "structure_valid": geometry_valid(prediction),
        "composition_valid": prediction.status != "failed" and composition_valid(prediction),
        "target_valid": geometry_valid(target) and composition_valid(target),
        "rmsd": rmsd,
    }


def row_of(pair: Pair, status: str, reason: str) -> dict[str, Any]:
    """The row of a prediction that neither matches nor is valid."""
    names = {"target_id": pair.target.crystal_id, "candidate": pair.candidate, "status": status, "reason": reason}
    return names | dict.fromkeys(("structure_valid", "composition_valid", "target_valid"), False) | {"rmsd": None}


def _compared(prediction: Crystal, target: Crystal) -> tuple[str, str, float | None]:
    """Status, reason and rmsd."""
    try:
        with cpu_limit(MAX_SECONDS):
            return "ok", "", rmsd(prediction, target)
    except (ValueError, IndexError, ZeroDivisionError, OverflowError, TimeoutError) as error:
        return "not_compared", f"{type(error).__name__}: {error}", None


def rmsd(prediction: Crystal, target: Crystal) -> float | None:
    """Root mean square displacement of the atoms in (V/N)^(1/3), at the match that makes it least; None without one."""
    found = StructureMatcher(**TOLERANCES).get_rms_dist(to_structure(prediction), to_structure(target))
    return None if found is None else float(found[0])
