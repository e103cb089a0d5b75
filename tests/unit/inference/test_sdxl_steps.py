"""Drawing step by step gives what the SDXL pipelines of diffusers give in one call."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image
from tiny_sdxl import tiny_sdxl, tiny_vae

from app.errors import ConfigurationError
from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.sdxl import SdxlStepPipeline

# The Euler scheduler of diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPT = "a red"


def spec_of(
    *, steps: int = 3, guidance_scale: float = 5.0, negative: str = "", strength: float = 1.0, seed: int = 7
) -> PictureSpec:
    """A spec of 32 x 24 native pixels."""
    return PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="tiny", prompt=PROMPT, negative_prompt=negative, width=32, height=24,
        native_width=32, native_height=24, steps=steps, seed=seed, strength=strength, guidance_scale=guidance_scale,
    )  # fmt: skip


def draw(
    parts: StableDiffusionXLPipeline, spec: PictureSpec, source: Image.Image | None = None
) -> tuple[SampleState, np.ndarray]:
    """The last state and the picture of one spec."""
    pipeline = SdxlStepPipeline(parts, Manifest())
    state = pipeline.prepare(spec, pipeline.encode(spec), source)
    while state.steps_left:
        (state,) = pipeline.step([state])
    return state, pipeline.decode(state)


def call(parts: StableDiffusionXLPipeline, spec: PictureSpec, output: str, **inputs: object) -> object:
    """What the diffusers pipeline answers to the same request."""
    size = {} if inputs else {"width": 32, "height": 24}
    return parts(
        PROMPT, negative_prompt=spec.negative_prompt or None, num_inference_steps=spec.steps,
        guidance_scale=spec.guidance_scale, generator=torch.Generator().manual_seed(spec.seed), output_type=output,
        **size, **inputs,
    ).images[0]  # fmt: skip


def difference(pixels: np.ndarray, picture: object) -> int:
    """The largest difference of any byte of two pictures."""
    return int(np.abs(pixels.astype(int) - np.asarray(picture)).max())


@pytest.mark.parametrize("negative", ["", "a blue square"])
@pytest.mark.parametrize("guidance_scale", [0.0, 1.0, 7.5])
def test_text_to_image_equals_diffusers(guidance_scale: float, negative: str) -> None:
    """Latents and picture are those of StableDiffusionXLPipeline for the same seed, guided or not."""
    parts, spec = tiny_sdxl(), spec_of(guidance_scale=guidance_scale, negative=negative)
    state, pixels = draw(parts, spec)
    assert torch.equal(state.latents[0], call(parts, spec, "latent"))
    assert np.array_equal(pixels, np.asarray(call(parts, spec, "pil")))


@pytest.mark.parametrize(
    "scheduling",
    [
        {"timestep_spacing": "leading", "steps_offset": 1},
        {"timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
        {"prediction_type": "sample"},
        {"use_karras_sigmas": True},
        {"final_sigmas_type": "sigma_min"},
    ],
    ids=lambda scheduling: " ".join(scheduling),
)
@pytest.mark.parametrize("steps", [1, 3])
def test_every_schedule_equals_diffusers(scheduling: dict[str, object], steps: int) -> None:
    """The scheduler's configuration decides the noise levels and what the network predicts."""
    parts, spec = tiny_sdxl(**scheduling), spec_of(steps=steps)
    assert torch.equal(draw(parts, spec)[0].latents[0], call(parts, spec, "latent"))


def test_an_unknown_prediction_stops_the_start() -> None:
    """A network whose output nobody can interpret is refused by name."""
    with pytest.raises(ConfigurationError, match="'flow_prediction' is unknown"):
        SdxlStepPipeline(tiny_sdxl(prediction_type="flow_prediction"), Manifest())


def test_no_negative_prompt_may_mean_the_embedding_of_nothing() -> None:
    """A pipeline that does not replace a missing negative prompt by zeros is guided away from an empty one."""
    parts, spec = tiny_sdxl(zeros=False), spec_of()
    latents = draw(parts, spec)[0].latents[0]
    assert torch.equal(latents, call(parts, spec, "latent"))
    assert not torch.equal(latents, draw(tiny_sdxl(), spec)[0].latents[0])


def test_a_guidance_distilled_model_sees_its_guidance() -> None:
    """A network that is told the scale takes one row for each picture, and draws what diffusers draws."""
    parts = tiny_sdxl(guidance_width=8)
    weak, strong = (spec_of(guidance_scale=scale) for scale in (1.5, 8.0))
    assert torch.equal(draw(parts, strong)[0].latents[0], call(parts, strong, "latent"))
    assert not torch.equal(draw(parts, weak)[0].latents, draw(parts, strong)[0].latents)


@pytest.mark.parametrize(("strength", "steps_run"), [(1.0, 4), (0.6, 2), (0.25, 1)])
@pytest.mark.parametrize("statistics", [False, True])
def test_image_to_image_equals_diffusers(strength: float, steps_run: int, statistics: bool) -> None:
    """Latents and picture are those of StableDiffusionXLImg2ImgPipeline, whatever the autoencoder normalises by.

    But for the last bits: it begins with latents in another order of memory.
    """
    parts = tiny_sdxl(vae=tiny_vae(statistics=statistics))
    source = Image.effect_noise((32, 24), 60).convert("RGB")
    spec = spec_of(steps=4, strength=strength)
    state, pixels = draw(parts, spec, source)
    sibling = StableDiffusionXLImg2ImgPipeline(**parts.components)
    sibling.set_progress_bar_config(disable=True)
    assert state.steps == steps_run
    expected = call(sibling, spec, "latent", image=source, strength=strength)
    torch.testing.assert_close(state.latents[0], expected, atol=1e-3, rtol=1e-5)
    assert difference(pixels, call(sibling, spec, "pil", image=source, strength=strength)) <= 1


def test_a_vanishing_strength_still_runs_one_step() -> None:
    """However small the strength, the last step is run."""
    assert draw(tiny_sdxl(), spec_of(steps=4, strength=1e-20), Image.new("RGB", (32, 24)))[0].steps == 1


@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")
def test_an_autoencoder_that_overflows_is_run_in_float32() -> None:
    """Half-precision pictures are those of diffusers, which lifts such an autoencoder; its weights go back after."""
    parts = tiny_sdxl(vae=tiny_vae(force_upcast=True)).to(dtype=torch.float16)
    spec, source = spec_of(steps=2, strength=0.5), Image.effect_noise((32, 24), 60).convert("RGB")
    sibling = StableDiffusionXLImg2ImgPipeline(**parts.components)
    sibling.set_progress_bar_config(disable=True)
    pictures = [draw(parts, spec)[1], draw(parts, spec, source)[1]]
    assert parts.vae.dtype == torch.float16
    assert np.array_equal(pictures[0], np.asarray(call(parts, spec, "pil")))
    assert difference(pictures[1], call(sibling, spec, "pil", image=source, strength=0.5)) <= 1


def test_guided_and_unguided_pictures_share_a_step() -> None:
    """A batch may hold both, in any order, at any step of their own."""
    pipeline = SdxlStepPipeline(tiny_sdxl(), Manifest())
    specs = [spec_of(guidance_scale=scale, steps=steps) for scale, steps in ((0.0, 3), (6.0, 2), (2.0, 4), (0.5, 1))]
    states = [pipeline.prepare(spec, pipeline.encode(spec), None) for spec in specs]
    (states[2],) = pipeline.step([states[2]])
    together = pipeline.step(states)
    for state, moved in zip(states, together, strict=True):
        torch.testing.assert_close(moved.latents, pipeline.step([state])[0].latents, atol=1e-3, rtol=1e-3)
        assert (moved.step, moved.steps) == (state.step + 1, state.steps)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_predicted_end_is_the_networks_own(prediction: str) -> None:
    """The preview of the step before the last noise level is the picture itself, whatever the network predicts."""
    pipeline = SdxlStepPipeline(tiny_sdxl(prediction_type=prediction), Manifest())
    spec = spec_of(steps=1)
    before = pipeline.prepare(spec, pipeline.encode(spec), None)
    (after,) = pipeline.step([before])
    assert difference(pipeline.preview(before, after), pipeline.decode(after)) <= 1


def test_a_step_without_a_stride_can_be_previewed() -> None:
    """Where a schedule ends at the noise level at which its last step begins, the preview is the state itself."""
    pipeline = SdxlStepPipeline(tiny_sdxl(final_sigmas_type="sigma_min"), Manifest())
    spec = spec_of(steps=2)
    first = pipeline.prepare(spec, pipeline.encode(spec), None)
    (before,) = pipeline.step([first])
    (after,) = pipeline.step([before])
    assert np.array_equal(pipeline.preview(before, after), pipeline.decode(after))
