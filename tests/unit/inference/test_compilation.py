"""Compiled denoisers: the same pictures, compiled once for many starts, and never where a machine cannot."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline
from tiny_flux import SEQUENCE_LENGTH, tiny_flux

from app.errors import ConfigurationError
from app.generation import PictureSpec, Task
from app.inference.compilation import OneByOne, compile_denoiser
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline

ROOT = Path(__file__).parents[3]
SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24,
    native_width=32, native_height=24, steps=2,
)  # fmt: skip

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs g++")


def start(folder: Path, cache: Path) -> dict[str, Any]:
    """What a fresh process finds that loads the model compiled."""
    command = [sys.executable, "tests/compiled_start.py", str(folder), str(cache)]
    environment = os.environ | {"PYTHONPATH": ".:tests", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Two starts of a compiled model of one block, one after the other, with one cache."""
    folder, cache = tmp_path_factory.mktemp("model"), tmp_path_factory.mktemp("cache")
    parts = tiny_flux()
    transformer = parts.transformer
    transformer.transformer_blocks = transformer.transformer_blocks[:0]
    transformer.single_transformer_blocks = transformer.single_transformer_blocks[:1]
    transformer.register_to_config(num_layers=0, num_single_layers=1)
    parts.save_pretrained(folder)
    return [start(folder, cache) for _ in range(2)]


@needs_compiler
@pytest.mark.timeout(300)
def test_a_compiled_model_draws_the_same_alone_and_in_company(starts: list[dict[str, Any]]) -> None:
    """Compiling changes no more than rounding, and strict determinism holds with it."""
    assert all(found["difference"] < 1e-5 for found in starts)
    assert all(found["alone"] for found in starts)


@needs_compiler
@pytest.mark.timeout(300)
def test_the_second_start_compiles_nothing(starts: list[dict[str, Any]]) -> None:
    """Programs are kept in the cache folder, and read from it by the next process."""
    first, second = starts
    assert first["compiled"] > 0 == first["read"]
    assert (second["compiled"], second["read"]) == (0, first["compiled"])


class Sizes(WrappedPipeline):
    """Notes how many pictures each step was given."""

    def __init__(self, inner: FluxStepPipeline) -> None:
        super().__init__(inner)
        self.seen: list[int] = []

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """The inner pipeline's step."""
        self.seen.append(len(states))
        return super().step(states)


def test_one_by_one_is_every_picture_alone(flux: FluxPipeline) -> None:
    """A batch becomes steps of one picture each, in its order, whatever the inner pipeline would make of it."""
    plain = FluxStepPipeline(flux, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    states = [plain.prepare(replace(SPEC, seed=seed), plain.encode(SPEC), None) for seed in range(3)]
    sizes = Sizes(plain)
    together = OneByOne(sizes).step(states)
    assert sizes.seen == [1, 1, 1]
    for state, moved in zip(states, together, strict=True):
        assert torch.equal(plain.step([state])[0].latents, moved.latents)


def test_cuda_graphs_need_a_gpu(flux: FluxPipeline, tmp_path: Path) -> None:
    """A mode that does nothing on a CPU is refused there."""
    with pytest.raises(ConfigurationError, match="reduce-overhead records CUDA graphs"):
        compile_denoiser(copy.deepcopy(flux.transformer), "reduce-overhead", device="cpu", cache=tmp_path)


def test_a_machine_without_a_compiler_is_told(
    flux: FluxPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a C++ compiler nothing can be compiled for a CPU; the start says so, not the first picture."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"install g\+\+"):
        compile_denoiser(copy.deepcopy(flux.transformer), "default", device="cpu", cache=tmp_path)
