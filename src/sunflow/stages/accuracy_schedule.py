"""Compute the accuracies of a von Mises flow."""

from pathlib import Path

import torch

from sunflow.atomic import write_text
from sunflow.flows import accuracy_schedule as schedules
from sunflow.flows.concentration_law import expected_entropies
from sunflow.flows.linear_entropy import target_concentrations
from sunflow.stages.command import StageError, run


def accuracy_schedule(kind: str, num_steps: int, final_accuracy: float, output: Path) -> None:
    """Write step, time, accuracy, concentration aimed at and expected entropy (nats) of every step."""
    try:
        accuracies = schedules.accuracy_schedule(kind, num_steps, final_accuracy)
    except ValueError as error:
        raise StageError(str(error)) from error
    step = torch.arange(1, num_steps + 1)
    columns = {
        "step": step,
        "time": step.double() / num_steps,
        "accuracy": accuracies,
        "target_concentration": target_concentrations(num_steps, final_accuracy),
        "expected_entropy": expected_entropies(accuracies).round(decimals=4),
    }
    rows = [columns, *zip(*(values.tolist() for values in columns.values()), strict=True)]
    write_text(output, "".join(",".join(map(str, row)) + "\n" for row in rows))


if __name__ == "__main__":
    run(accuracy_schedule)
