"""What is known of a device's memory."""

import pytest
import torch
from fakes import FakeClock

from app.inference.engine.memory import READ_AGAIN_S, HostMemory, MemoryState, is_out_of_memory, memory_of


def test_a_rehearsal_finds_the_most_that_is_alive_at_once() -> None:
    """Tensors that are gone before others come do not add up."""

    def work() -> float:
        first = torch.ones(1000)
        second = first + 1
        del first
        third = second + 1
        return float(third.sum())

    result, needed = HostMemory().rehearse(work)
    assert result == 3000.0
    assert 8000 <= needed < 8100


def test_the_system_is_asked_for_free_memory_now_and_then() -> None:
    """Within `READ_AGAIN_S` its last answer is used again; afterwards it is asked anew."""
    clock, answers = FakeClock(), iter((500, 300))
    memory = HostMemory(clock=clock, available=lambda: next(answers))
    assert [memory.free(), memory.free()] == [500, 500]
    clock.now_s += READ_AGAIN_S
    assert memory.free() == 300


def test_a_rehearsal_counts_views_once() -> None:
    """A view shares its storage, and what was there before is not counted."""
    before = torch.ones(1000)
    _, needed = HostMemory().rehearse(lambda: (before[:10], before.reshape(10, 100).t()))
    assert needed == 0


def test_the_host_tells_what_it_has() -> None:
    """Resident and available bytes are numbers of this machine."""
    state = memory_of("cpu").state()
    assert state.allocated > 10**7
    assert state.free > 10**7
    assert memory_of("cpu").peak(lambda: 3) == (3, None)


def test_fragmentation_is_what_the_allocator_keeps_unused() -> None:
    """A quarter of the reserved bytes holds no tensor; without any, there is none."""
    assert MemoryState(allocated=75, reserved=100, free=0).fragmentation == 0.25
    assert MemoryState(allocated=0, reserved=0, free=0).fragmentation == 0.0


def test_running_out_of_memory_is_recognised_on_every_device() -> None:
    """CUDA has a class for it, Python another, and the CPU allocator a message; other errors are other errors."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
