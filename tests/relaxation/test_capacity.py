import numpy as np
import pytest
import torch

from sunflow.relaxation import capacity
from sunflow.relaxation.capacity import Capacity, is_out_of_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GIB = 2**30


def test_batches_on_a_cpu_keep_their_size():
    limit = Capacity(CPU)
    assert limit.bonds == capacity.BONDS_ON_CPU
    limit.learn(limit.bonds)
    assert limit.bonds == capacity.BONDS_ON_CPU


@pytest.mark.parametrize(("size", "half"), [(3000.0, 1500.0), (10_000.0, 2000.0)])
def test_a_batch_that_was_too_large_is_halved(size, half):
    limit = Capacity(CPU)
    limit.halve(size)
    assert limit.bonds == half
    limit.halve(size)
    assert limit.bonds == half / 2


@pytest.fixture
def memory(monkeypatch):
    """A GPU of 80 GiB, of which 10 are in use by others, and this process's share of it."""
    state = {"peak": 0.0, "reserved": 0.0, "emptied": 0}

    def empty():
        state["emptied"] += 1

    def forget_peak(device):
        state["peak"] = 0.0

    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: state["peak"])
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: state["reserved"])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (70 * GIB - state["reserved"], 80 * GIB))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forget_peak)
    monkeypatch.setattr(torch.cuda, "empty_cache", empty)
    return state


def evaluate(limit, memory, bonds, bytes_per_bond):
    """What happens on the device in a step."""
    memory["peak"] = max(memory["peak"], bonds * bytes_per_bond)
    memory["reserved"] = max(memory["reserved"], memory["peak"])
    limit.learn(bonds)


def test_batches_on_a_gpu_grow_to_their_share_of_its_memory(memory):
    limit = Capacity(GPU)
    assert limit.bonds == capacity.BONDS_ON_GPU_AT_FIRST
    for _ in range(5):
        evaluate(limit, memory, limit.bonds, 50_000)
    assert limit.bonds * 50_000 == pytest.approx(capacity.SHARE_OF_MEMORY * 70 * GIB)


def test_batches_on_a_gpu_shrink_where_bonds_take_much(memory):
    limit = Capacity(GPU)
    evaluate(limit, memory, limit.bonds, 1.2e6)
    assert limit.bonds == pytest.approx(capacity.SHARE_OF_MEMORY * 70 * GIB / 1.2e6)
    assert limit.bonds < capacity.BONDS_ON_GPU_AT_FIRST


def test_nothing_is_learned_of_small_batches(memory):
    limit = Capacity(GPU)
    evaluate(limit, memory, limit.bonds / 3, 1)
    assert limit.bonds == capacity.BONDS_ON_GPU_AT_FIRST


def test_a_batch_that_did_not_fit_is_not_tried_again(memory):
    limit = Capacity(GPU)
    limit.halve(40_000.0)
    assert (limit.bonds, memory["emptied"]) == (20_000.0, 1)
    evaluate(limit, memory, 20_000.0, 1000)
    assert limit.bonds == 20_000.0


def test_batches_that_dwindle_do_not_make_the_next_ones_small(memory):
    limit = Capacity(GPU)
    for _ in range(3):
        evaluate(limit, memory, limit.bonds, 50_000)
    full = limit.bonds
    for share in np.linspace(1.0, 0.01, 50):
        evaluate(limit, memory, share * full, 50_000)
    assert limit.bonds == pytest.approx(full)


def test_a_batch_that_did_not_fit_does_not_make_the_next_ones_ever_smaller(memory):
    limit = Capacity(GPU)
    memory["peak"] = memory["reserved"] = 69 * GIB
    limit.halve(40_000.0)
    for _ in range(10):
        evaluate(limit, memory, limit.bonds, 50_000)
    assert limit.bonds == 20_000.0


def too_much():
    return torch.empty(10**15)


def too_much_for_numpy():
    return np.empty(10**15)


@pytest.mark.parametrize("allocate", [too_much, too_much_for_numpy])
def test_a_real_lack_of_memory_is_known(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_errors_that_tell_of_a_lack_of_memory(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert triggered"), ValueError("out of memory"), KeyError("a bug")],
)
def test_errors_that_tell_of_something_else(error):
    assert not is_out_of_memory(error)
