"""The accelerators of this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device and its memory in bytes."""

    name: str
    memory_bytes: int


def gpus() -> tuple[Gpu, ...]:
    """The CUDA devices that PyTorch can use; empty on a CPU-only machine or build."""
    import torch

    if not torch.cuda.is_available():
        return ()
    devices = (torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
    return tuple(Gpu(device.name, device.total_memory) for device in devices)
