"""The model compiled, and with blocks in eight bits: what is gained of what is possible."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from benchmarks.gpu.budget import Phase
from benchmarks.gpu.latency import measure
from benchmarks.gpu.rig import Rig
from benchmarks.gpu.roofline import Precision, floor_s, fraction
from benchmarks.gpu.sheets import Cell, Sheet

from app.inference.compilation import CompiledSteps, compile_denoiser
from app.inference.quantization import quantize_blocks, require_fp8

EAGER = "none"
WIDE = "none"
# Seconds on an H100.
_MEASURING_S = 20.0
_COMPILING_S = {EAGER: 0.0, "default": 60.0, "reduce-overhead": 120.0, "max-autotune": 200.0}
_PRECISIONS: dict[str, Precision] = {WIDE: "bf16", "fp8": "linears in fp8"}


def tuned_phases(rig: Rig) -> list[Phase]:
    """A phase for each way, those with narrow weights last: there is no way back to wide ones."""
    ways = [(WIDE, mode) for mode in rig.scale.compile_modes[:1]]
    ways += [(narrow, mode) for narrow in rig.scale.quantizations for mode in (EAGER, *rig.scale.compile_modes)]
    return [
        Phase(
            name=_name(quantization, mode),
            need_s=rig.scale.slowness * (_MEASURING_S + _COMPILING_S[mode]),
            work=partial(_tuned, rig, quantization, mode),
        )
        for quantization, mode in ways
    ]


def _name(quantization: str, mode: str) -> str:
    precision = "bf16" if quantization == WIDE else quantization
    return precision if mode == EAGER else f"{precision}, compiled: {mode}"


def _tuned(rig: Rig, quantization: str, mode: str) -> Iterator[Sheet]:
    quantize(rig, quantization)
    # Every size is a program, and takes its time to be compiled.
    sides = tuple(reversed(rig.scale.sides)) if mode == EAGER else (rig.scale.large, rig.scale.small)
    with compiled(rig, mode):
        rows = [_row(rig, quantization, mode, side) for side in sides]
    yield Sheet(
        title=f"A picture of {rig.scale.steps} steps in {_name(quantization, mode)}, from prompt to PNG, ms (median)",
        columns=("picture", "engine", "bare", "steps", "bare steps", "floor", "floor/engine", "the first one, s"),
        rows=rows,
    )


def _row(rig: Rig, quantization: str, mode: str, side: int) -> list[Cell]:
    pipeline = rig.pipeline()
    found = measure(rig, pipeline if mode == EAGER else CompiledSteps(pipeline), pipeline, side)
    floor = _floor_s(rig, quantization, side)
    ours, bare = found.engine, found.bare
    return [
        f"{side} x {side}", 1000 * ours.total_s, 1000 * bare.total_s, 1000 * ours.denoise_s, 1000 * bare.denoise_s,
        None if floor is None else 1000 * floor, fraction(floor, ours.total_s), found.first_s,
    ]  # fmt: skip


def _floor_s(rig: Rig, quantization: str, side: int) -> float | None:
    precision = _PRECISIONS.get(quantization)
    if precision is None:
        return None
    return floor_s(rig.work(side), rig.rates, steps=rig.scale.steps, precision=precision)


def quantize(rig: Rig, quantization: str) -> None:
    """Narrow the weights, once; raises ConfigurationError where that cannot be had."""
    if quantization == "fp8":
        require_fp8(rig.scale.device.type)
    if quantization != rig.quantization:
        quantize_blocks(rig.parts.transformer, quantization, device=str(rig.scale.device))
        rig.quantization = quantization
        rig.memory.trim()


@contextmanager
def compiled(rig: Rig, mode: str) -> Iterator[None]:
    """Inside, the transformer is compiled, from an empty cache; raises ConfigurationError where that cannot be had."""
    if mode == EAGER:
        yield
        return
    transformer = rig.parts.transformer
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        compile_denoiser(transformer, mode, device=rig.scale.device.type, cache=Path(cache))
        try:
            yield
        finally:
            for module in transformer.modules():
                module._compiled_call_impl = None
            torch._dynamo.reset()
            rig.memory.trim()
