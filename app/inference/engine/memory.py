"""The memory of a device: how much is free, what work needed at its peak, and giving back what is not needed."""

import gc
import math
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import psutil
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Result = TypeVar("Result")

READ_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryState:
    """Bytes of a device: `allocated` by tensors, `reserved` by their allocator, `free` for more tensors."""

    allocated: int
    reserved: int
    free: int

    @property
    def fragmentation(self) -> float:
        """The share of the allocator's memory that no tensor uses."""
        return 0.0 if not self.reserved else 1 - self.allocated / self.reserved


class DeviceMemory(Protocol):
    """What the engine asks of the memory of its device."""

    def state(self) -> MemoryState:
        """How it stands now."""
        ...

    def free(self) -> int:
        """Bytes for more tensors; cheap enough to be asked at every step."""
        ...

    def peak(self, work: Callable[[], Result]) -> tuple[Result, int | None]:
        """The work's result, and the bytes that it needed at most beyond what was there; None: not measured."""
        ...

    def rehearse(self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Like `peak`, always measured, however slow that makes the work."""
        ...

    def trim(self) -> None:
        """Give back what the allocator keeps for later."""
        ...


class CudaMemory:
    """The memory of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def state(self) -> MemoryState:
        """How it stands now."""
        allocated, reserved = torch.cuda.memory_allocated(self._device), torch.cuda.memory_reserved(self._device)
        return MemoryState(allocated=allocated, reserved=reserved, free=self.free())

    def free(self) -> int:
        """What the driver has left, and what the allocator keeps for later."""
        allocated, reserved = torch.cuda.memory_allocated(self._device), torch.cuda.memory_reserved(self._device)
        unreserved, _ = torch.cuda.mem_get_info(self._device)
        return unreserved + reserved - allocated

    def peak(self, work: Callable[[], Result]) -> tuple[Result, int | None]:
        """The allocator's own high-water mark."""
        return self.rehearse(work)

    def rehearse(self, work: Callable[[], Result]) -> tuple[Result, int]:
        """The allocator's own high-water mark."""
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        result = work()
        return result, torch.cuda.max_memory_allocated(self._device) - before

    def trim(self) -> None:
        """Empty the allocator's cache."""
        gc.collect()
        torch.cuda.empty_cache()


def available_bytes() -> int:
    """Main memory that the system could still give to processes."""
    return int(psutil.virtual_memory().available)


class HostMemory:
    """The main memory, for models on a CPU; `free` counts what the whole machine has left.

    The system is asked at most every `READ_AGAIN_S`, since its answer costs as much as a small step's bookkeeping.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, available: Callable[[], int] = available_bytes
    ) -> None:
        self._clock = clock
        self._available = available
        self._free = 0
        self._read_again_s = -math.inf

    def state(self) -> MemoryState:
        """How it stands now; the C library does not tell what it keeps for later."""
        resident = int(psutil.Process().memory_info().rss)
        return MemoryState(allocated=resident, reserved=resident, free=self.free())

    def free(self) -> int:
        """What the system says is available."""
        now_s = self._clock()
        if now_s >= self._read_again_s:
            self._free = self._available()
            self._read_again_s = now_s + READ_AGAIN_S
        return self._free

    def peak(self, work: Callable[[], Result]) -> tuple[Result, int | None]:
        """Not measured: watching every tensor would slow the work."""
        return work(), None

    def rehearse(self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Counts the tensors that are alive at the same time."""
        with _LiveTensors() as tensors:
            return work(), tensors.peak_bytes

    def trim(self) -> None:
        """Collect unreachable tensors."""
        gc.collect()


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch types neither class nor constructor
    """Adds up the storages that operators make while it is entered, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._live_bytes = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(keywords or {}))
        there_before = {storage.data_ptr() for storage in _storages((arguments, keywords))}
        for storage in _storages(result):
            if storage.data_ptr() not in there_before:
                self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if not address or address in self._seen:
            return
        self._seen.add(address)
        self._live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self._live_bytes)
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self._seen.discard(address)
        self._live_bytes -= size


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]


def memory_of(device: str) -> DeviceMemory:
    """The memory of `cpu` or of a CUDA device."""
    return HostMemory() if device == "cpu" else CudaMemory(torch.device(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that there was not enough memory, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: " in str(error)
