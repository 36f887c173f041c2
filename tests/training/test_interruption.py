import os
import signal

import pytest

from sunflow.training import interruption as interruption_module
from sunflow.training.interruption import Interruption


def test_a_request_that_comes_twice_at_once_is_one():
    """A cluster's time limit and torchrun both pass it on."""
    with Interruption() as interruption:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT


def test_a_later_request_is_obeyed(monkeypatch):
    monkeypatch.setattr(interruption_module, "SECONDS_OF_ONE_REQUEST", 0.0)
    with pytest.raises(KeyboardInterrupt), Interruption():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_block_signals_mean_what_they_did():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        assert signal.getsignal(signal.SIGTERM) != before and not interruption.signal
    assert signal.getsignal(signal.SIGTERM) == before
