"""The accuracy schedule as the workflow hands it to a generator."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor


def read_accuracies(files: list[Path]) -> Tensor | None:
    """The column `accuracy` of a schedule, one value per step, in double precision; None without a file.

    Raises:
        ValueError: The file has no such column.
    """
    if not files:
        return None
    table = pd.read_csv(files[0])
    if "accuracy" not in table.columns:
        raise ValueError(f"{files[0]} has no column accuracy, but {', '.join(table.columns)}")
    return torch.tensor(table["accuracy"].to_numpy(), dtype=torch.float64)
