"""The table of match rates: structure prediction under every filter."""

import pandas as pd

from sunflow.report.metric_table import PUBLISHED, Column, MetricTable, Record, metric_table

MEANINGS = {
    "none": "every match counts",
    "crysbfn": "the prediction must be structurally valid (CrysBFN)",
    "diffcsp": "prediction and target must be valid, in structure and composition (DiffCSP)",
}
OF_ALL = (
    Column("metre", "METRe", "higher", "targets that any prediction of their composition matches", "num_pairs"),
    Column("crmse", "cRMSE", "lower", "mean displacement, where 0.5 stands for targets without a match, (V/N)^(1/3)"),
)
NUM_CANDIDATES = 1


def prediction_table(match_rate: pd.DataFrame, colors: dict[str, str]) -> MetricTable:
    """One row per generator and number of steps, with the rate and the RMSE under every filter, of one prediction.

    Args:
        match_rate: match_rate.csv.
        colors: Of generators.
    """
    records: dict[tuple[str, str], Record] = {}
    for row in match_rate[match_rate["k"].eq(NUM_CANDIDATES)].to_dict("records"):
        name, steps = str(row["generator"]), "" if pd.isna(row["num_steps"]) else f", {int(row['num_steps'])} steps"
        published = name.endswith(PUBLISHED)
        protocol = str(row.get("protocol")) if published else "one prediction per test composition"
        record = records.setdefault((name, steps), {"generator": name, "protocol": protocol})
        record |= {"num_pairs": row["num_pairs"]} | ({"label": name + steps} if steps else {})
        for metric in ("match_rate", "rmse"):
            record |= {f"{metric}_{row['filter']}{end}": row.get(f"{metric}{end}") for end in ("", "_low", "_high")}
        for column in OF_ALL:
            if not pd.isna(row[column.name]):
                record |= {f"{column.name}{end}": row.get(f"{column.name}{end}") for end in ("", "_low", "_high")}
    columns = [column for name, meaning in MEANINGS.items() for column in _columns(name, meaning)]
    told = (
        "How often the structure predicted for a test composition is the real one (StructureMatcher, stol 0.5), and "
        "how far off its atoms are. Rates under different filters cannot be compared; the row “reference” compares the "
        "test crystals with themselves, and shows what each filter allows at most."
    )
    sizes = {"num_pairs": "compositions"}
    return metric_table("Structure prediction", told, sizes, (*columns, *OF_ALL), list(records.values()), colors)


def _columns(name: str, meaning: str) -> tuple[Column, Column]:
    return (
        Column(f"match_rate_{name}", f"match rate, {name}", "higher", meaning, "num_pairs"),
        Column(f"rmse_{name}", f"RMSE, {name}", "lower", f"mean displacement of those matches, (V/N)^(1/3); {meaning}"),
    )
