"""Rectified flow: what training computes is what the pipeline computes."""

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from torch import nn

from app.builtin.render import ASPECTS
from app.builtin.training.architecture import Size, build_transformer
from app.builtin.training.distillation import distillation_loss, shallow_copy
from app.builtin.training.export import TrainedModel, build_pipeline
from app.builtin.training.flow import euler_sample, flow_loss, sample_times, time_weights, token_weights
from app.builtin.training.latents import (
    denormalise,
    half_size_images,
    normalise,
    pack,
    pinned_latents,
    position_ids,
    unpack,
)
from app.builtin.training.manifest import PROMPT_SUFFIXES, SEQUENCE_LENGTH
from app.builtin.training.scenes import SceneSource, grid_of
from app.builtin.training.text_model import TextModel
from app.builtin.training.vae import build_vae

TINY = Size(double_blocks=1, single_blocks=1)
PROMPT = "a red circle left of a blue square"


@pytest.fixture(scope="module")
def pipeline() -> FluxPipeline:
    """An untrained model whose prediction is not zero, as a pipeline."""
    torch.manual_seed(0)
    transformer = build_transformer(TINY)
    nn.init.normal_(transformer.proj_out.weight, std=0.1)
    model = TrainedModel(TextModel(), transformer, build_vae(), default_steps=4)
    built = build_pipeline(model)
    built.set_progress_bar_config(disable=True)
    return built


@pytest.fixture(scope="module")
def source(pipeline: FluxPipeline) -> SceneSource:
    """Scenes conditioned by the pipeline's own text encoders."""
    text = TextModel()
    text.t5, text.clip = pipeline.text_encoder_2, pipeline.text_encoder
    return SceneSource(text)


@pytest.mark.parametrize("shape", ASPECTS)
@pytest.mark.parametrize("steps", [1, 4])
def test_training_samples_what_the_pipeline_samples(
    pipeline: FluxPipeline, source: SceneSource, shape: tuple[int, int], steps: int
) -> None:
    """From the same noise, our Euler steps and FluxPipeline end at the same latents."""
    grid = grid_of(shape)
    noise = torch.randn(1, grid.height * grid.width // 4, 48, generator=torch.Generator().manual_seed(1))

    ours = euler_sample(pipeline.transformer, noise, source.conditioning([PROMPT], shape), grid, steps=steps)
    theirs = pipeline(
        PROMPT + PROMPT_SUFFIXES[shape], width=shape[0], height=shape[1], num_inference_steps=steps, guidance_scale=0.0,
        max_sequence_length=SEQUENCE_LENGTH, latents=noise, output_type="latent",
    ).images  # fmt: skip

    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_packing_is_the_pipelines() -> None:
    """Tokens and their positions are laid out as the pipeline lays them out, and unpacking undoes packing."""
    latents = torch.randn(2, 12, 12, 16)

    assert torch.equal(pack(latents), FluxPipeline._pack_latents(latents, 2, 12, 12, 16))
    assert torch.equal(unpack(pack(latents), 12, 16), latents)
    theirs = FluxPipeline._prepare_latent_image_ids(2, 6, 8, torch.device("cpu"), torch.float32)
    assert torch.equal(position_ids(12, 16), theirs)


def test_latents_hold_the_half_size_picture(source: SceneSource) -> None:
    """A scene's latents, turned back, are the picture averaged over 2 x 2 pixels."""
    batch = source.batch(np.random.default_rng(0), 2, (64, 48), held_out=False)

    images = half_size_images(denormalise(unpack(batch.data, batch.grid.height, batch.grid.width)))

    assert images.shape == (2, 3, 24, 32)
    assert images.abs().max() <= 1 + 1e-5


def test_latents_have_about_unit_variance(source: SceneSource) -> None:
    """The denoiser's data is scaled like its noise."""
    data = source.batch(np.random.default_rng(1), 200, (64, 64), held_out=False).data

    assert 0.8 < data.std() < 1.2
    assert data.mean().abs() < 0.5


def test_an_untrained_denoiser_predicts_nothing(source: SceneSource) -> None:
    """Training starts from a velocity of zero: sampling leaves the noise as it is."""
    batch = source.batch(np.random.default_rng(2), 8, (48, 64), held_out=False)

    assert torch.equal(
        euler_sample(build_transformer(TINY), batch.data, batch.conditioning, batch.grid, steps=2), batch.data
    )


def test_the_loss_reaches_every_parameter_of_the_blocks(pipeline: FluxPipeline, source: SceneSource) -> None:
    """After a backward pass no matrix of the output's side is without a gradient."""
    batch = source.batch(np.random.default_rng(3), 4, (64, 64), held_out=False)
    transformer = pipeline.transformer.requires_grad_(requires_grad=True)

    loss = flow_loss(transformer, batch.data, batch.conditioning, batch.grid, torch.Generator().manual_seed(0))
    torch.autograd.backward(loss)

    assert all(parameter.grad is not None for parameter in transformer.parameters())
    transformer.zero_grad()


def test_times_visit_the_steps_of_four_step_sampling() -> None:
    """A fifth of the times is pure noise, and no time leaves the range from data to noise."""
    times = sample_times(100, torch.Generator().manual_seed(0))

    assert (times == 1).sum() == 20
    assert times.min() > 0
    assert times.max() <= 1


def test_objects_weigh_more_than_background() -> None:
    """Tokens that show an object weigh three times as much, and the mean weight is one."""
    data = torch.zeros(1, 4, 48)
    data[0, 2] = 1

    weights = token_weights(data)

    assert weights.mean() == 1
    assert weights[0, 2] == 3 * weights[0, 0]


def test_a_student_as_deep_as_its_teacher_has_nothing_to_learn(pipeline: FluxPipeline, source: SceneSource) -> None:
    """A copy of all blocks is the teacher itself, and its distillation loss is zero."""
    student = shallow_copy(pipeline.transformer, TINY, TINY)
    batch = source.batch(np.random.default_rng(4), 2, (64, 64), held_out=False)

    loss = distillation_loss(student, pipeline.transformer, batch, torch.Generator().manual_seed(0))

    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), pipeline.transformer.parameters(), strict=True))
    assert loss.item() == 0


def test_a_shallow_copy_takes_the_outermost_blocks() -> None:
    """Of three blocks a student with two takes the first and the last."""
    deep, shallow = Size(double_blocks=1, single_blocks=3), Size(double_blocks=1, single_blocks=2)
    teacher = build_transformer(deep)

    student = shallow_copy(teacher, deep, shallow)

    for taken, given in ((0, 0), (1, 2)):
        ours, theirs = student.single_transformer_blocks[taken], teacher.single_transformer_blocks[given]
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_last_stretch_weighs_little() -> None:
    """Times below those that four steps visit weigh less, by the square of their share of noise."""
    assert time_weights(torch.tensor([1.0, 0.25, 0.125])).tolist() == [1.0, 1.0, 0.25]


def test_pinned_latents_are_a_quarter_of_the_size() -> None:
    """Width and height shrink four times, into twelve channels."""
    assert normalise(pinned_latents(torch.zeros(1, 3, 40, 72))).shape == (1, 12, 10, 18)
