"""Equal specs give equal bytes, whoever shares the batch."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from diffusers import FluxPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from torch import nn

from app.generation import PictureSpec, Task
from app.inference.determinism import PerSampleLinear, make_batch_invariant, per_sample
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.quantization import quantize_blocks

PROMPTS = ("a red circle", "a blue square", "a red square left of a blue circle")
STEPS = 3
SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", width=32, height=24, native_width=32, native_height=24, steps=STEPS
)


@cache
def invariant_pipeline(width: int, quantized: bool = False) -> FluxStepPipeline:
    """The tiny pipeline with its transformer made batch-invariant."""
    parts = tiny_flux(width=width)
    if quantized:
        quantize_blocks(parts.transformer)
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))


def begin(pipeline: FluxStepPipeline, seed: int) -> SampleState:
    """The first state of the picture with that seed; the prompt follows from the seed."""
    prompt = PROMPTS[seed % len(PROMPTS)]
    return pipeline.prepare(replace(SPEC, prompt=prompt, seed=seed), pipeline.encode(prompt, 32, 24), None)


def bytes_of(pipeline: FluxStepPipeline, state: SampleState) -> bytes:
    """The latents and the picture."""
    return state.latents.numpy().tobytes() + pipeline.decode(state).tobytes()


@cache
def drawn_alone(width: int, quantized: bool, seed: int) -> bytes:
    """The picture of that seed, drawn without company."""
    pipeline = invariant_pipeline(width, quantized)
    state = begin(pipeline, seed)
    for _ in range(STEPS):
        (state,) = pipeline.step([state])
    return bytes_of(pipeline, state)


batches = st.lists(st.tuples(st.integers(0, 5), st.integers(1, STEPS)), min_size=1, max_size=8)


@pytest.mark.parametrize(("width", "quantized"), [(32, False), (40, False), (32, True)])
@given(batch=batches)
@settings(max_examples=20, deadline=None)
def test_any_batch_gives_the_bytes_of_each_sample_alone(
    width: int, quantized: bool, batch: list[tuple[int, int]]
) -> None:
    """Whatever the batch, the position in it and the steps at which others leave, a picture keeps its bytes."""
    pipeline = invariant_pipeline(width, quantized)
    states = [(seed, leaves_at, begin(pipeline, seed)) for seed, leaves_at in batch]
    for step in range(STEPS):
        staying = [(seed, leaves_at) for seed, leaves_at, _ in states if leaves_at > step]
        moved = pipeline.step([state for _, leaves_at, state in states if leaves_at > step]) if staying else []
        states = [(*who, state) for who, state in zip(staying, moved, strict=True)]
    for seed, _, state in states:
        assert bytes_of(pipeline, state) == drawn_alone(width, quantized, seed)


@given(steps=st.lists(st.integers(0, STEPS - 1), min_size=2, max_size=6))
@settings(max_examples=10, deadline=None)
def test_samples_at_different_steps_can_share_a_batch(steps: list[int]) -> None:
    """A step gives each sample the same latents whatever step the others are at."""
    pipeline = invariant_pipeline(32)
    states = []
    for seed, done in enumerate(steps):
        state = begin(pipeline, seed)
        for _ in range(done):
            (state,) = pipeline.step([state])
        states.append(state)
    for state, moved in zip(states, pipeline.step(states), strict=True):
        assert torch.equal(pipeline.step([state])[0].latents, moved.latents)


def test_the_invariant_transformer_computes_the_same_function(flux: FluxPipeline) -> None:
    """Replacing the parts changes no more than rounding."""
    plain = FluxStepPipeline(flux, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    states = [begin(plain, seed) for seed in range(3)]
    for before, after in zip(plain.step(states), invariant_pipeline(32).step(states), strict=True):
        torch.testing.assert_close(before.latents, after.latents, atol=1e-5, rtol=0)


def test_an_invariant_layer_shares_its_weights() -> None:
    """No weight is copied, so that a memory-mapped file stays mapped."""
    linear = nn.Linear(8, 4)
    twin = PerSampleLinear.sharing(linear)
    assert twin.weight is linear.weight
    assert twin.bias is linear.bias


def test_a_function_runs_on_one_aligned_sample_at_a_time() -> None:
    """Every call sees one contiguous, 64-byte aligned sample, so that no kernel can tell its company."""
    seen = []
    batch = torch.arange(30.0).reshape(2, 3, 5).transpose(0, 1)
    output = per_sample(lambda sample: seen.append(sample) or sample * 2, batch)
    assert torch.equal(output, batch * 2)
    assert all(sample.shape == (1, 2, 5) and sample.is_contiguous() for sample in seen)
    assert all(sample.data_ptr() % 64 == 0 for sample in seen)
