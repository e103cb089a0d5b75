"""Compiled denoisers: faster steps, once each shape that they may meet has been compiled."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from app.errors import ConfigurationError
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.wrapping import WrappedPipeline

COMPILE_CACHE = "~/.cache/darkroom/compiled"

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_MOST_PROGRAMS = 1024
# CUDA graphs of single blocks would be thousands; those of the whole denoiser are one for each shape.
_WHOLE = "reduce-overhead"
_REGIONAL_MODES = {"default": "default", "max-autotune": "max-autotune-no-cudagraphs"}


def compile_denoiser(denoiser: Any, mode: str, *, device: str, cache: Path) -> None:
    """Have each shape compiled when the denoiser first meets it, or read from the folder `cache` where that is done.

    The repeated blocks are compiled, once for all of them; `reduce-overhead` takes the whole
    network, as CUDA graphs. Raises ConfigurationError when this machine cannot compile.
    """
    _require_compiler(mode, device)
    # PyTorch knows one cache per process, and reads its place from the environment alone.
    os.environ[_CACHE_VARIABLE] = str(cache.expanduser())
    torch._dynamo.config.recompile_limit = _MOST_PROGRAMS
    torch._dynamo.config.accumulated_recompile_limit = _MOST_PROGRAMS
    if mode == _WHOLE:
        denoiser.compile(mode=mode, dynamic=False)
    else:
        denoiser.compile_repeated_blocks(mode=_REGIONAL_MODES[mode], dynamic=False)


class OneByOne(WrappedPipeline):
    """Steps every picture alone: what was compiled for one picture cannot round as it would in a batch."""

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step."""
        return [moved for state in states for moved in self.inner.step([state])]


class CompiledSteps(WrappedPipeline):
    """Steps a pipeline whose denoiser is compiled."""

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step; while every tensor is watched, as it would be without compiling."""
        if is_in_torch_dispatch_mode():
            # A compiled network that was once called so is never compiled again.
            with torch.compiler.set_stance("force_eager"):
                return self.inner.step(states)
        # CUDA graphs may reuse the memory of the last step's results.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call] # torch does not type it
        return self.inner.step(states)


def _require_compiler(mode: str, device: str) -> None:
    if device == "cpu" and mode == _WHOLE:
        raise ConfigurationError(f"compile: {mode} records CUDA graphs, which a CPU has not; set compile: default")
    if device == "cpu" and not _has_cpp_compiler():
        raise ConfigurationError(f"compile: {mode} needs a C++ compiler; install g++, or set compile: none")
    if device != "cpu" and not torch.utils._triton.has_triton():
        raise ConfigurationError(f"compile: {mode} needs Triton for this GPU; install triton, or set compile: none")


def _has_cpp_compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return bool(get_cpp_compiler())
    except InvalidCxxCompiler:
        return False
