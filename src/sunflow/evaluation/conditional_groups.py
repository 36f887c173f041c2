"""The tables of crystals that were asked for a property: one row per generator and estimate, one per crystal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sunflow.evaluation.conditional import accounts, distribution, tolerance_of
from sunflow.evaluation.prediction_error import prediction_errors

NAMES = ("generator", "task", "relaxer", "property", "target", "guidance", "estimate")
REFERENCE, TRAIN, OF_DATASET = "reference", "train", "dataset"
"""Names of the rows of the control and of the train split, and of the estimate that is the dataset's own column."""
REFERENCE_ERRORS = ("mae", "rmse", "r2", "count")
TEST_ERRORS = (*REFERENCE_ERRORS, "mae_of_mean", "mae_of_median")
LAST = ("value", "deviation", "spread", "outcome", "reason")


@dataclass(frozen=True)
class Group:
    """The crystals of a generator with one estimate.

    Attributes:
        names: `NAMES` of the row; the target is None where nothing was asked for.
        crystals: The table of `judged_crystals`.
    """

    names: dict[str, Any]
    crystals: pd.DataFrame

    @property
    def values(self) -> pd.Series:
        """Estimates of the metastable crystals, by crystal_id."""
        chosen = self.crystals[self.crystals["outcome"].eq("estimated")]
        return chosen.set_index("crystal_id")["value"].astype(float)

    @property
    def kind(self) -> tuple[str, str]:
        """After which relaxation which property is judged."""
        return self.names["relaxer"], self.names["property"]

    def told(self, true: Mapping[str, float | None]) -> "Group":
        """The same verdicts with the dataset's own values, by crystal_id; what is not metastable stays so."""
        known = {name: value for name, value in true.items() if value is not None}
        names, metastable = self.crystals["crystal_id"], self.crystals["outcome"].isin(["estimated", "no_estimate"])
        has_value = names.isin(known.keys())
        outcomes = self.crystals["outcome"].mask(metastable, np.where(has_value, "estimated", "no_estimate"))
        reasons = self.crystals["reason"].mask(metastable, np.where(has_value, "", "the dataset has no value of it"))
        crystals = self.crystals.assign(value=names.map(known), spread=None, outcome=outcomes, reason=reasons)
        return Group({**self.names, "estimate": OF_DATASET}, crystals)

    def table(self) -> pd.DataFrame:
        """One row per requested crystal, with the names of the group and how far it is from its target."""
        target = self.names["target"]
        distance = None if target is None else self.crystals["value"].astype(float) - target
        table = self.crystals.assign(**self.names, deviation=distance)
        return table[[*NAMES, *(name for name in self.crystals if name not in LAST), *LAST]]


def table_of_groups(
    groups: Sequence[Group], train: Mapping[str, np.ndarray], test_errors: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """One row per group: accounts, rates, the distribution of the property, and how far its estimate can be trusted.

    Args:
        groups: With those of the reference, also as told by the dataset.
        train: Values of the train split by property.
        test_errors: (Property, estimate) → `TEST_ERRORS`, where an estimate has been tested on the test split.
    """
    truth = {group.kind: group.values for group in groups if group.names["estimate"] == OF_DATASET}
    controls = {
        (*group.kind, group.names["estimate"]): group.values
        for group in groups
        if group.names["generator"] == REFERENCE
    }
    for group in groups:
        name, estimate = group.names["property"], group.names["estimate"]
        control = None if estimate == OF_DATASET else controls.get((*group.kind, estimate))
        tested = test_errors.get((name, estimate), {})
        yield {
            **group.names,
            **accounts(group.crystals),
            **distribution(group.values.to_numpy(), group.names["target"], tolerance_of(train[name])),
            "train_within_tolerance": _share_of_train(train[name], group.names["target"]),
            **_reference_errors(truth.get(group.kind), control),
            **{f"test_{key}": tested.get(key) for key in TEST_ERRORS},
            "protocol": "property of metastable crystals; rates of all requested ones",
        }


def train_row(name: str, values: Mapping[str, float | None]) -> dict[str, Any]:
    """The row of the train split, whose crystals nobody has judged; its property by crystal_id."""
    known = np.array([value for value in values.values() if value is not None])
    names = {"generator": TRAIN, "task": TRAIN, "property": name, "estimate": OF_DATASET}
    told = {"num_requested": len(values), "num_estimated": len(known)}
    return {**names, **told, **distribution(known, None, 0.0), "protocol": "all crystals of the train split"}


def _share_of_train(train: np.ndarray, target: float | None) -> float | None:
    """How many train crystals lie within the tolerance of the target: what chance would reach."""
    return None if target is None else float(np.mean(np.abs(train - target) <= tolerance_of(train)))


def _reference_errors(true: pd.Series | None, estimated: pd.Series | None) -> dict[str, Any]:
    """How wrong an estimate is of the metastable reference crystals, relaxed as the generated ones."""
    if true is None or estimated is None:
        return dict.fromkeys(f"reference_{name}" for name in REFERENCE_ERRORS)
    both = true.index.intersection(estimated.index)
    errors = prediction_errors(true[both].to_numpy(), estimated[both].to_numpy())
    return {f"reference_{name}": errors[name] for name in REFERENCE_ERRORS}
