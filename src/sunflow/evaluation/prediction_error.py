"""How wrong predicted numbers are, beside those of who knows nothing but the train split."""

import numpy as np


def prediction_errors(true: np.ndarray, predicted: np.ndarray) -> dict[str, float | int | None]:
    """Mean absolute and root-mean-square error, R² and the number of values; None where too few are there to say.

    R² compares with the mean of the true values themselves, and needs two that differ.
    """
    residuals = np.asarray(predicted, dtype=float) - np.asarray(true, dtype=float)
    spread = float(np.var(true)) if len(residuals) else 0.0
    return {
        "count": len(residuals),
        "mae": float(np.abs(residuals).mean()) if len(residuals) else None,
        "rmse": float(np.sqrt((residuals**2).mean())) if len(residuals) else None,
        "r2": 1.0 - float((residuals**2).mean()) / spread if spread > 0 else None,
    }


def control_errors(true: np.ndarray, train: np.ndarray) -> dict[str, float | None]:
    """Mean absolute errors of always answering the mean or the median of the train split."""
    answers = {"mae_of_mean": float(np.mean(train)), "mae_of_median": float(np.median(train))}
    return {name: float(np.abs(true - answer).mean()) if len(true) else None for name, answer in answers.items()}
