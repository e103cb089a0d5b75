"""What is measured on what: FLUX.1-schnell on a GPU, or all of the benchmark's logic on a tiny one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from benchmarks.gpu.architecture import networks, schnell
from diffusers import FluxPipeline

BATCHES = tuple(range(1, 9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything there is; sides are of square pictures, in pixels, the smallest first.

    `parts` makes the model on a device; `tokens` are the lengths of a prompt, of which the first
    holds wherever lengths are not compared; `products` are sizes (m, k, n) of matrix products that
    show the device's rate; `slowness` multiplies what phases are expected to take on an H100.
    """

    device: torch.device
    parts: Callable[[torch.device], FluxPipeline]
    sides: tuple[int, ...]
    tokens: tuple[int, ...]
    products: tuple[tuple[int, int, int], ...]
    product_s: float
    workspace_bytes: int
    quantizations: tuple[str, ...]
    compile_modes: tuple[str, ...]
    slowness: float
    repeats: int
    jobs: int
    real_jobs: int
    probes: tuple[int, int]
    steps: int = 4

    @property
    def small(self) -> int:
        """The smallest side."""
        return self.sides[0]

    @property
    def large(self) -> int:
        """The largest side."""
        return self.sides[-1]


def gpu_scale(*, tokens: tuple[int, ...], compile_modes: tuple[str, ...]) -> Scale:
    """FLUX.1-schnell on the current GPU."""
    return Scale(
        device=torch.device("cuda"),
        parts=schnell,
        sides=(512, 768, 1024),
        tokens=tokens,
        products=((8192, 8192, 8192), (16_384, 8192, 8192), (4352, 3072, 12_288), (4352, 15_360, 3072)),
        product_s=0.3,
        workspace_bytes=12 * 10**9,
        quantizations=("fp8",),
        compile_modes=compile_modes,
        slowness=1.0,
        repeats=5,
        jobs=120,
        real_jobs=24,
        probes=(10, 4),
    )


def tiny_scale(*, compile_modes: tuple[str, ...]) -> Scale:
    """The pipeline of the tests on the CPU, in seconds; its numbers mean nothing."""
    return Scale(
        device=torch.device("cpu"),
        parts=_tiny,
        sides=(16, 24, 32),
        tokens=(8, 6),
        products=((64, 64, 64),),
        product_s=0.001,
        workspace_bytes=0,
        quantizations=("fp8", "int8"),
        compile_modes=compile_modes,
        slowness=0.0,
        repeats=2,
        jobs=24,
        real_jobs=5,
        probes=(2, 1),
    )


def _tiny(device: torch.device) -> FluxPipeline:
    from tiny_flux import tiny_flux

    parts = tiny_flux()
    for network in networks(parts):
        network.to(device)
    return parts
