import signal

import pytest

from sunflow.evaluation.cpu_limit import cpu_limit


def test_endless_work_is_ended():
    with pytest.raises(TimeoutError, match=r"more than 0\.05 s of CPU time"), cpu_limit(0.05):
        while True:
            pass


def test_nothing_is_left_behind():
    before = signal.getsignal(signal.SIGVTALRM)
    with cpu_limit(100.0):
        assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 0
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
