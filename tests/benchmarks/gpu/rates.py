"""How fast the device multiplies matrices of random numbers: the roof under which everything is measured."""

import time
from collections.abc import Callable, Iterator

import torch
from benchmarks.gpu.rig import synchronize
from benchmarks.gpu.roofline import Rates
from benchmarks.gpu.scale import Scale
from benchmarks.gpu.sheets import Cell, Sheet

from app.errors import ConfigurationError
from app.inference.quantization import require_fp8

Size = tuple[int, int, int]


def matrix_rates(scale: Scale) -> tuple[Rates, Sheet]:
    """The best rates of all products, and a sheet of each."""
    wide = {size: _rate(_wide_product(size, scale), size, scale) for size in scale.products}
    refusal = _refusal(scale)
    narrow = {} if refusal else {size: _rate(_narrow_product(size, scale), size, scale) for size in scale.products}
    rows: list[list[Cell]] = [
        [" x ".join(map(str, size)), wide[size] / 1e12, narrow[size] / 1e12 if narrow else None]
        for size in scale.products
    ]
    sheet = Sheet(
        title="Rate of matrix products of random numbers, TFLOP/s",
        columns=("m x k x n", "bf16" if scale.device.type == "cuda" else "float32", "fp8, scaled by rows"),
        rows=rows,
        notes=() if refusal is None else (f"fp8 was not measured: {refusal}",),
    )
    return Rates(max(wide.values()), max(narrow.values(), default=None)), sheet


def _refusal(scale: Scale) -> str | None:
    try:
        require_fp8(scale.device.type)
    except ConfigurationError as error:
        return error.detail
    return None


@torch.inference_mode()
def _rate(product: Callable[[], object], size: Size, scale: Scale) -> float:
    """Operations per second over at least `product_s`; the first products choose kernels and are not counted."""
    for _ in range(3):
        product()
    rows, inner, columns = size
    count = 0
    synchronize(scale.device)
    started_s = ended_s = time.perf_counter()
    while ended_s - started_s < scale.product_s:
        for _ in range(8):
            product()
        count += 8
        synchronize(scale.device)
        ended_s = time.perf_counter()
    return 2.0 * rows * inner * columns * count / (ended_s - started_s)


def _wide_product(size: Size, scale: Scale) -> Callable[[], object]:
    dtype = torch.bfloat16 if scale.device.type == "cuda" else torch.float32
    left, right = _factors(size, scale, dtype)
    return lambda: left @ right


def _narrow_product(size: Size, scale: Scale) -> Callable[[], object]:
    wide_left, wide_right = _factors(size, scale, torch.bfloat16)
    left = wide_left.to(torch.float8_e4m3fn)
    right = wide_right.t().contiguous().to(torch.float8_e4m3fn).t()
    scales = {
        "scale_a": torch.ones(size[0], 1, device=scale.device),
        "scale_b": torch.ones(1, size[2], device=scale.device),
    }
    return lambda: torch._scaled_mm(left, right, **scales, out_dtype=torch.bfloat16, use_fast_accum=True)


def _factors(size: Size, scale: Scale, dtype: torch.dtype) -> Iterator[torch.Tensor]:
    rows, inner, columns = size
    return (torch.randn(shape, device=scale.device, dtype=dtype) for shape in ((rows, inner), (inner, columns)))
