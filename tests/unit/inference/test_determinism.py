"""Equal specs give equal bytes, whoever shares the batch."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from diffusers import FluxPipeline, UNet2DConditionModel
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, inject_adapter_in_model
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from torch import nn

from app.generation import PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.determinism.parts import InvariantPart
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.quantization import quantize_blocks

PROMPTS = ("a red circle", "a blue square", "a red square left of a blue circle")
STEPS = 3
SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", width=32, height=24, native_width=32, native_height=24, steps=STEPS
)
WORD_COUNT, WORD_WIDTH, POOLED_WIDTH = 7, 24, 12
ROWS = 6


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
    spec = replace(SPEC, prompt=PROMPTS[seed % len(PROMPTS)], seed=seed)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


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


def tiny_unet(width: int) -> UNet2DConditionModel:
    """A U-Net of SDXL's layout, with random weights."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(width, 2 * width),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WORD_WIDTH, attention_head_dim=(2, 4), transformer_layers_per_block=(1, 2),
        norm_num_groups=4, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=10,
        projection_class_embeddings_input_dim=6 * 10 + POOLED_WIDTH,
    )  # fmt: skip
    return unet.eval().requires_grad_(False)


@cache
def invariant_unet(width: int, layout: torch.memory_format) -> UNet2DConditionModel:
    """The tiny U-Net, made batch-invariant."""
    unet = tiny_unet(width).to(memory_format=layout)
    make_batch_invariant(unet)
    return unet


@torch.inference_mode()
def noise_of(unet: UNet2DConditionModel, rows: Sequence[int], layout: torch.memory_format) -> torch.Tensor:
    """What the network makes of these rows; equal rows have equal inputs, of eight by five positions."""
    inputs = [_row(row) for row in rows]
    sample, timestep, words, pooled, sizes = (torch.cat(parts) for parts in zip(*inputs, strict=True))
    conditions = {"text_embeds": pooled, "time_ids": sizes}
    return unet(sample.to(memory_format=layout), timestep, words, added_cond_kwargs=conditions, return_dict=False)[0]


def _row(seed: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = (1, 4, 8, 10), (1,), (1, WORD_COUNT, WORD_WIDTH), (1, POOLED_WIDTH), (1, 6)
    sample, timestep, words, pooled, sizes = (torch.randn(shape, generator=generator) for shape in shapes)
    return sample, 500 * timestep.abs(), words, pooled, (64 * sizes.abs()).round()


def parts_in(network: nn.Module) -> list[InvariantPart]:
    """The invariant parts that are in their places now."""
    return [each for module in network.modules() for each in vars(module).values() if isinstance(each, InvariantPart)]


batches = st.lists(st.tuples(st.integers(0, 5), st.integers(1, STEPS)), min_size=1, max_size=8)


@pytest.mark.parametrize(("width", "quantized"), [(24, False), (32, False), (40, False), (56, False), (32, True)])
@given(batch=batches)
@settings(max_examples=15, deadline=None)
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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("width", [20, 32, 36])
@given(rows=st.lists(st.integers(0, ROWS - 1), min_size=2, max_size=6))
@settings(max_examples=8, deadline=None)
def test_no_row_of_a_u_net_depends_on_the_others(width: int, layout: torch.memory_format, rows: list[int]) -> None:
    """The two rows of a guided sample, and those of others, are what they are alone, wherever channels lie."""
    unet = invariant_unet(width, layout)
    for row, result in zip(rows, noise_of(unet, rows, layout), strict=True):
        assert torch.equal(result, noise_of(unet, [row], layout)[0])


def test_a_plain_u_net_is_not_invariant() -> None:
    """Without the change rows do depend on each other, so that the test above can fail."""
    unet = tiny_unet(20)
    together = noise_of(unet, range(ROWS), torch.contiguous_format)
    alone = torch.cat([noise_of(unet, [row], torch.contiguous_format) for row in range(ROWS)])
    assert not torch.equal(together, alone)


def test_the_invariant_transformer_computes_the_same_function(flux: FluxPipeline) -> None:
    """In a batch no more than rounding changes; a sample alone keeps its bits."""
    plain = FluxStepPipeline(flux, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    strict = invariant_pipeline(32)
    states = [begin(plain, seed) for seed in range(3)]
    for before, after in zip(plain.step(states), strict.step(states), strict=True):
        torch.testing.assert_close(before.latents, after.latents, atol=1e-5, rtol=0)
    assert torch.equal(plain.step(states[:1])[0].latents, strict.step(states[:1])[0].latents)


def test_weights_stay_what_they_are() -> None:
    """No weight is copied or renamed, so that a memory-mapped file stays mapped and adapters find their layers."""
    transformer = tiny_flux().transformer
    before = dict(transformer.named_parameters())
    make_batch_invariant(transformer)
    after = dict(transformer.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is weight for name, weight in before.items())


def test_a_sample_alone_runs_the_network_as_it_was() -> None:
    """Where nothing can depend on company, nothing stands in the way, also after a batch."""
    pipeline = invariant_pipeline(32)
    states = [begin(pipeline, seed) for seed in range(3)]
    pipeline.step(states[:1])
    pipeline.step(states)
    assert parts_in(pipeline.parts.transformer)
    pipeline.step(states[:1])
    assert not parts_in(pipeline.parts.transformer)


def test_a_second_time_changes_nothing() -> None:
    """What was found out stays known, and parts are not wrapped in parts."""
    unet, layout = tiny_unet(20), torch.contiguous_format
    make_batch_invariant(unet)
    once, known = noise_of(unet, range(ROWS), layout), unet.forward.verdicts.count
    make_batch_invariant(unet)
    assert torch.equal(noise_of(unet, range(ROWS), layout), once)
    assert unet.forward.verdicts.count == known > 0
    assert not any(isinstance(part.plain, InvariantPart) for part in parts_in(unet))


def test_layers_that_came_later_become_invariant_too() -> None:
    """After another call a LoRA of peft, put around invariant layers, does not let rows see each other."""
    unet, layout = tiny_unet(20), torch.contiguous_format
    make_batch_invariant(unet)
    without = noise_of(unet, range(ROWS), layout)
    targets = ["to_q", "to_v", "conv1", "proj_in", "time_emb_proj"]
    inject_adapter_in_model(LoraConfig(r=3, target_modules=targets, init_lora_weights=False), unet)
    make_batch_invariant(unet.eval())
    together = noise_of(unet, range(ROWS), layout)
    assert not torch.allclose(together, without)
    for row, result in enumerate(together):
        assert torch.equal(result, noise_of(unet, [row], layout)[0])


def test_a_copy_of_an_invariant_network_is_invariant() -> None:
    """The copy's parts stand in the copy, and run its weights."""
    unet, layout = tiny_unet(20), torch.contiguous_format
    make_batch_invariant(unet)
    before = noise_of(unet, range(ROWS), layout)
    twin = copy.deepcopy(unet)
    with torch.no_grad():
        twin.conv_in.weight.mul_(2)
    together = noise_of(twin, range(ROWS), layout)
    assert not torch.allclose(together, before)
    assert torch.equal(noise_of(unet, range(ROWS), layout), before)
    assert torch.equal(noise_of(twin, [1], layout)[0], together[1])
