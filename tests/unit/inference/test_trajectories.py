"""Latents that are kept and gone on from: no bit is lost, and nothing is gone on from that cannot be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_foreign import tiny_stable_diffusion
from tiny_sdxl import tiny_sdxl

from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline
from app.inference.pipelines.sdxl import SdxlStepPipeline
from app.inference.step_cache import StepCache
from app.inference.trajectories import pack, resumed, unpack

# The schedulers of diffusers hand tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24, native_width=32,
    native_height=24, steps=6, seed=5,
)  # fmt: skip
MANIFEST = Manifest(max_sequence_length=SEQUENCE_LENGTH)
FLUX = FluxStepPipeline(tiny_flux(), MANIFEST)


def begun(pipeline: StepPipeline, spec: PictureSpec) -> SampleState:
    """The state before the first step."""
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def after(pipeline: StepPipeline, state: SampleState, steps: int) -> SampleState:
    """The state so many steps later."""
    for _ in range(steps):
        (state,) = pipeline.step([state])
    return state


@settings(deadline=None, max_examples=25)
@given(steps=st.integers(2, 6), seed=st.integers(0, 10**6), data=st.data())
def test_going_on_along_ones_own_path_ends_in_the_same_bits(steps: int, seed: int, data: st.DataObject) -> None:
    """Latents taken out after any step, kept as a file and put in again lead to the picture of the whole way."""
    step = data.draw(st.integers(1, steps - 1))
    start = begun(FLUX, replace(SPEC, steps=steps, seed=seed))
    whole = after(FLUX, start, steps)
    kept = unpack(pack(after(FLUX, start, step).latents))
    late = after(FLUX, resumed(start, kept, step), steps - step)
    assert torch.equal(late.latents, whole.latents)
    assert np.array_equal(FLUX.decode(late), FLUX.decode(whole))


@pytest.mark.parametrize("make", [tiny_sdxl])
def test_other_families_go_on_too(make: Callable[[], Any]) -> None:
    """A family whose sampler remembers nothing but its latents ends in the same bits."""
    pipeline = SdxlStepPipeline(make(), MANIFEST)
    start = begun(pipeline, replace(SPEC, steps=4))
    late = resumed(start, after(pipeline, start, 2).latents, 2)
    assert torch.equal(after(pipeline, late, 2).latents, after(pipeline, start, 4).latents)


def test_another_prompts_path_is_left_for_ones_own() -> None:
    """What is drawn late depends on the latents, the prompt and the step, and on no seed."""
    donor = after(FLUX, begun(FLUX, replace(SPEC, prompt="a blue square")), 2).latents
    late = [after(FLUX, resumed(begun(FLUX, replace(SPEC, seed=seed)), donor, 2), 4).latents for seed in (1, 2)]
    assert torch.equal(*late)
    assert not torch.equal(late[0], after(FLUX, begun(FLUX, SPEC), 6).latents)


@pytest.mark.parametrize("step", [-1, 0, 6, 7])
def test_a_run_goes_on_only_after_one_of_its_steps(step: int) -> None:
    """Neither the beginning nor the end is a place to go on from."""
    start = begun(FLUX, SPEC)
    with pytest.raises(ValueError, match="goes on"):
        resumed(start, start.latents, step)


def test_latents_of_another_size_or_precision_are_refused() -> None:
    """They are another model's, or another size's."""
    start = begun(FLUX, SPEC)
    with pytest.raises(ValueError, match="latents"):
        resumed(start, start.latents[:, 1:], 2)
    with pytest.raises(ValueError, match="latents"):
        resumed(start, start.latents.to(torch.bfloat16), 2)


def test_states_that_are_more_than_latents_are_refused() -> None:
    """A foreign pipeline's call has a memory of its own, as have foretold steps."""
    foreign = ForeignStepPipeline(tiny_stable_diffusion(), MANIFEST)
    for pipeline in (foreign, StepCache(FLUX, tolerance=0.1)):
        start = begun(pipeline, replace(SPEC, width=32, height=32, native_height=32))
        with pytest.raises(ValueError, match="cannot begin late"):
            resumed(start, start.latents, 2)


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    seed=st.integers(0, 100),
)
def test_a_file_holds_every_bit(shape: list[int], dtype: torch.dtype, seed: int) -> None:
    """Also of numbers that are none."""
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    latents.view(-1)[0] = float("nan")
    found = unpack(pack(latents))
    assert (found.dtype, found.shape) == (latents.dtype, latents.shape)
    width = {4: torch.int32, 2: torch.int16}[latents.element_size()]
    assert torch.equal(found.view(width), latents.view(width))


@given(st.binary(max_size=300))
def test_what_is_no_file_of_latents_is_refused(data: bytes) -> None:
    """Damaged files are an error of one kind."""
    with pytest.raises(ValueError, match="not a file of latents"):
        unpack(data)
