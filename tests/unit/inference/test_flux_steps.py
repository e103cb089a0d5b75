"""Drawing step by step gives what the pipelines of diffusers give in one call."""

import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxPipeline
from PIL import Image
from tiny_flux import SEQUENCE_LENGTH, tiny_flux

from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.flux import FluxStepPipeline

PROMPT = "a red circle left of a blue square"


def spec_of(*, steps: int, seed: int = 7, strength: float = 1.0, guidance_scale: float = 0.0) -> PictureSpec:
    """A spec of 32 x 24 native pixels."""
    return PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="tiny", prompt=PROMPT, width=32, height=24, native_width=32, native_height=24,
        steps=steps, seed=seed, strength=strength, guidance_scale=guidance_scale,
    )  # fmt: skip


def draw(parts: FluxPipeline, spec: PictureSpec, source: Image.Image | None = None) -> tuple[SampleState, np.ndarray]:
    """The last state and the picture of one spec."""
    pipeline = FluxStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    state = pipeline.prepare(spec, pipeline.encode(spec), source)
    while state.step < state.steps:
        (state,) = pipeline.step([state])
    return state, pipeline.decode(state)


def call(parts: FluxPipeline, spec: PictureSpec, output: str, **inputs: object) -> object:
    """What the diffusers pipeline answers to the same request."""
    return parts(
        PROMPT, width=32, height=24, num_inference_steps=spec.steps, guidance_scale=spec.guidance_scale,
        max_sequence_length=SEQUENCE_LENGTH, generator=torch.Generator().manual_seed(spec.seed),
        output_type=output, **inputs,
    ).images[0]  # fmt: skip


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_text_to_image_equals_diffusers(steps: int, shift: float) -> None:
    """The latents and the picture are those of FluxPipeline for the same seed, also under a shifted schedule."""
    parts, spec = tiny_flux(shift=shift), spec_of(steps=steps)
    state, pixels = draw(parts, spec)
    torch.testing.assert_close(state.latents[0], call(parts, spec, "latent"), atol=1e-5, rtol=0)
    assert np.array_equal(pixels, np.asarray(call(parts, spec, "pil")))


def test_a_guidance_distilled_model_sees_its_guidance() -> None:
    """A model with guidance embeddings draws what FluxPipeline draws with the same scale, and scales differ."""
    parts = tiny_flux(guidance=True)
    weak, strong = (spec_of(steps=2, guidance_scale=scale) for scale in (1.0, 8.0))
    torch.testing.assert_close(draw(parts, strong)[0].latents[0], call(parts, strong, "latent"), atol=1e-5, rtol=0)
    assert not torch.equal(draw(parts, weak)[0].latents, draw(parts, strong)[0].latents)


@pytest.mark.parametrize(("strength", "steps_run"), [(1.0, 4), (0.6, 3), (0.1, 1)])
def test_image_to_image_equals_diffusers(flux: FluxPipeline, strength: float, steps_run: int) -> None:
    """The latents are those of FluxImg2ImgPipeline, and only the strength's share of the steps is run."""
    source = Image.effect_noise((32, 24), 60).convert("RGB")
    spec = spec_of(steps=4, strength=strength)
    state, _ = draw(flux, spec, source)
    expected = call(FluxImg2ImgPipeline(**flux.components), spec, "latent", image=source, strength=strength)
    torch.testing.assert_close(state.latents[0], expected, atol=1e-5, rtol=0)
    assert state.steps == steps_run


def test_a_vanishing_strength_still_runs_one_step(flux: FluxPipeline) -> None:
    """However small the strength, the last step is run."""
    source = Image.new("RGB", (32, 24))
    assert draw(flux, spec_of(steps=4, strength=1e-20), source)[0].steps == 1
