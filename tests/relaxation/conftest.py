"""One thread: threads that fight for cores make these tests many times slower, and sums depend on their number."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)
