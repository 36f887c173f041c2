import logging

import pytest

from sunflow.training.pace import STEPS_BEFORE_ESTIMATE, Pace, duration_text


def run_steps(device, seconds, steps=STEPS_BEFORE_ESTIMATE, epochs=1500):
    pace = Pace(epochs, 106, 0, device)
    for _ in range(steps):
        pace.step(256, seconds, "validation loss 1.2")
    pace.close()


def test_the_whole_training_is_estimated_after_the_first_steps(caplog):
    caplog.set_level(logging.INFO)
    run_steps("cuda", 0.31)
    assert "1500 epochs × 106 steps at 0.31 s: about 13.7 hours on cuda" in caplog.text
    assert "No GPU" not in caplog.text


def test_days_on_a_cpu_are_said_plainly(caplog):
    caplog.set_level(logging.INFO)
    run_steps("cpu", 31.0)
    assert "about 57.0 days on cpu" in caplog.text
    assert "No GPU was found: this training will take about 57 days" in caplog.text
    assert "training.epochs, model.hidden_dim or model.num_layers" in caplog.text


def test_hours_on_a_cpu_are_no_reason_to_warn(caplog):
    run_steps("cpu", 0.31)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (42.0, "42 s"),
        (90.0, "1.5 minutes"),
        (49320.0, "13.7 hours"),
        (86400.0, "24.0 hours"),
        (2.4 * 86400, "2.4 days"),
    ],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text
