"""What the engine may rely on, of every model family and precision."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_foreign import tiny_pixart, tiny_stable_diffusion
from tiny_sdxl import tiny_sdxl

from app.generation import Lora, PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import PromptEmbedding, SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline
from app.inference.pipelines.previews import PREVIEW_SIDE
from app.inference.pipelines.sdxl import SdxlStepPipeline
from app.inference.quantization import quantize_blocks

# The schedulers of diffusers hand tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red", width=32, height=24, native_width=32, native_height=24,
    steps=4, seed=5,
)  # fmt: skip
GUIDED = replace(SPEC, guidance_scale=5.0, negative_prompt="blue")
MANIFEST = Manifest(max_sequence_length=SEQUENCE_LENGTH, prompt_suffix={"32x24": "<32x24>"})
SOURCES = tuple(Image.new("RGB", (100, 90), colour) for colour in ("orange", "navy"))

Subject = tuple[Any, PictureSpec]


def flux() -> Subject:
    """FLUX in float32."""
    parts = tiny_flux()
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST), SPEC


def flux_guided() -> Subject:
    """FLUX with guidance embeddings."""
    parts = tiny_flux(guidance=True)
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST), GUIDED


def flux_int8() -> Subject:
    """FLUX with eight-bit blocks."""
    parts = tiny_flux()
    quantize_blocks(parts.transformer)
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST), SPEC


def sdxl() -> Subject:
    """SDXL without guidance."""
    parts = tiny_sdxl()
    make_batch_invariant(parts.unet)
    return SdxlStepPipeline(parts, MANIFEST), SPEC


def sdxl_guided() -> Subject:
    """SDXL guided away from a negative prompt."""
    parts = tiny_sdxl()
    make_batch_invariant(parts.unet)
    return SdxlStepPipeline(parts, MANIFEST), GUIDED


def foreign_stable_diffusion() -> Subject:
    """Stable Diffusion by its own call."""
    return ForeignStepPipeline(tiny_stable_diffusion(), MANIFEST), GUIDED


def foreign_flux() -> Subject:
    """FLUX by its own call."""
    return ForeignStepPipeline(tiny_flux(), MANIFEST), SPEC


def foreign_pixart() -> Subject:
    """PixArt by its own call, which cannot start from a picture."""
    return ForeignStepPipeline(tiny_pixart(), MANIFEST), GUIDED


FROM_A_PICTURE = (flux, flux_guided, flux_int8, sdxl, sdxl_guided, foreign_stable_diffusion, foreign_flux)


@pytest.fixture(scope="module", params=[*FROM_A_PICTURE, foreign_pixart], ids=lambda make: make.__name__)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each implementation in turn, with a spec for it."""
    make: Callable[[], Subject] = request.param
    return make()


@pytest.fixture(scope="module", params=FROM_A_PICTURE, ids=lambda make: make.__name__)
def changer(request: pytest.FixtureRequest) -> Subject:
    """Each implementation that can start from a picture."""
    make: Callable[[], Subject] = request.param
    return make()


def begin(pipeline: StepPipeline, spec: PictureSpec, source: Image.Image | None = None) -> SampleState:
    """The first state of a spec."""
    return pipeline.prepare(spec, pipeline.encode(spec), source)


def finish(pipeline: StepPipeline, state: SampleState) -> bytes:
    """The picture's bytes after all steps."""
    while state.steps_left:
        (state,) = pipeline.step([state])
    return pipeline.decode(state).tobytes()


def test_equal_specs_give_equal_pictures(subject: Subject) -> None:
    """A picture is a function of its spec; another seed or prompt is another picture."""
    pipeline, spec = subject
    first = finish(pipeline, begin(pipeline, spec))
    assert finish(pipeline, begin(pipeline, spec)) == first
    assert finish(pipeline, begin(pipeline, replace(spec, seed=6))) != first
    assert finish(pipeline, begin(pipeline, replace(spec, prompt="a blue"))) != first


def test_the_size_may_add_to_the_prompt(subject: Subject) -> None:
    """The suffix that the manifest names for a size is drawn like words of the prompt, at that size alone."""
    pipeline, spec = subject
    unnamed = type(pipeline)(pipeline.parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    written = finish(unnamed, begin(unnamed, replace(spec, prompt="a <32x24>")))
    square = replace(spec, prompt="a", native_height=32)
    assert finish(pipeline, begin(pipeline, replace(spec, prompt="a"))) == written
    assert finish(pipeline, begin(pipeline, square)) == finish(unnamed, begin(unnamed, square))


def test_equal_keys_mean_equal_embeddings(subject: Subject) -> None:
    """The key names all that an embedding depends on, and nothing else."""
    pipeline, spec = subject
    same = [spec, replace(spec, seed=9, steps=7, strength=0.5, loras=(Lora(path="x"),))]
    others = [
        replace(spec, prompt="a blue"), replace(spec, prompt=""), replace(spec, negative_prompt="red"),
        replace(spec, guidance_scale=0.5), replace(spec, guidance_scale=9.0), replace(spec, native_height=32),
    ]  # fmt: skip
    known: dict[Hashable, PromptEmbedding] = {}
    for each in (*same, *others):
        embedding = pipeline.encode(each)
        assert equal(known.setdefault(pipeline.embedding_key(each), embedding), embedding)
    assert pipeline.embedding_key(same[0]) == pipeline.embedding_key(same[1])


def equal(one: PromptEmbedding | None, other: PromptEmbedding | None) -> bool:
    """Whether two embeddings are the same, bit by bit."""
    if one is None or other is None:
        return one is other
    tensors = torch.equal(one.tokens, other.tokens) and torch.equal(one.pooled, other.pooled)
    return tensors and equal(one.negative, other.negative)


def test_a_step_leaves_its_input_alone(subject: Subject) -> None:
    """A failed step can be repeated, since states are never changed in place."""
    pipeline, spec = subject
    (state,) = pipeline.step([begin(pipeline, spec)])
    before = state.latents.clone()
    first, second = (pipeline.step([state])[0] for _ in range(2))
    assert (state.step, first.step, second.step, first.steps) == (1, 2, 2, 4)
    assert torch.equal(state.latents, before)
    assert torch.equal(first.latents, second.latents)
    assert not torch.equal(first.latents, before)


def test_company_does_not_matter(subject: Subject) -> None:
    """A sample in a batch, at any place in it, is the sample alone."""
    pipeline, spec = subject
    specs = [replace(spec, seed=seed) for seed in range(5)]
    alone = [pipeline.step([begin(pipeline, each)])[0].latents for each in specs]
    for order in ((0, 1, 2, 3, 4), (4, 0, 2)):
        moved = pipeline.step([begin(pipeline, specs[place]) for place in order])
        assert all(torch.equal(alone[place], state.latents) for place, state in zip(order, moved, strict=True))


def test_samples_join_and_leave_at_any_step(subject: Subject) -> None:
    """Pictures of unlike steps and guidance that come and go between steps are those drawn alone."""
    pipeline, spec = subject
    steps_and_guidance = ((3, 5.0), (2, 0.0), (3, 2.0), (2, 5.0))
    specs = [
        replace(spec, seed=seed, steps=steps, guidance_scale=scale)
        for seed, (steps, scale) in enumerate(steps_and_guidance)
    ]
    alone = [finish(pipeline, begin(pipeline, each)) for each in specs]
    waiting = list(enumerate(specs))
    states: dict[int, SampleState] = {}
    pictures: dict[int, bytes] = {}
    while waiting or states:
        joining, waiting = waiting[:2], waiting[2:]
        states |= {place: begin(pipeline, each) for place, each in joining}
        order = sorted(states, reverse=bool(waiting))
        states = dict(zip(order, pipeline.step([states[place] for place in order]), strict=True))
        for place in [place for place in order if not states[place].steps_left]:
            pictures[place] = pipeline.decode(states.pop(place)).tobytes()
    assert [pictures[place] for place in range(len(specs))] == alone


def test_a_preview_changes_nothing(subject: Subject) -> None:
    """A previewed picture is the picture; previews are small pictures of bytes."""
    pipeline, spec = subject
    large = replace(spec, native_width=288, native_height=32, steps=2)
    before = begin(pipeline, large)
    while before.steps_left:
        (after,) = pipeline.step([before])
        preview = pipeline.preview(before, after)
        assert (preview.ndim, preview.shape[2], preview.dtype) == (3, 3, np.uint8)
        assert max(preview.shape) <= PREVIEW_SIDE
        before = after
    assert pipeline.decode(before).tobytes() == finish(pipeline, begin(pipeline, large))


def test_the_last_preview_is_the_picture(changer: Subject) -> None:
    """What the last step of a small picture predicts as the end is what it leads to, but for rounding."""
    pipeline, spec = changer
    before = after = begin(pipeline, spec)
    while after.steps_left:
        before, (after,) = after, pipeline.step([after])
    difference = pipeline.preview(before, after).astype(int) - pipeline.decode(after)
    assert np.abs(difference).max() <= 2


def test_a_picture_has_its_native_size(subject: Subject) -> None:
    """Decoding gives height x width x 3 bytes, of a portrait as of a landscape."""
    pipeline, spec = subject
    for width, height in ((32, 24), (24, 32)):
        pixels = pipeline.decode(begin(pipeline, replace(spec, native_width=width, native_height=height, steps=2)))
        assert (pixels.shape, pixels.dtype) == ((height, width, 3), np.uint8)


def test_a_state_knows_what_was_asked(subject: Subject) -> None:
    """Size, guidance and LoRAs of the spec are part of every state, beside its place among its steps."""
    pipeline, spec = subject
    loras = (Lora(path="x", scale=0.5),)
    first = begin(pipeline, replace(spec, loras=loras))
    for state in (first, *pipeline.step([first])):
        assert (state.width, state.height, state.guidance_scale, state.loras) == (32, 24, spec.guidance_scale, loras)
        assert (len(state.timesteps), len(state.sigmas), state.steps) == (4, 5, 4)


def test_strength_decides_how_much_may_change(changer: Subject) -> None:
    """A weak change runs few steps and shows the source, the strongest runs all of them."""
    pipeline, spec = changer
    for strength, steps in ((1.0, 4), (0.5, 2), (0.25, 1), (1e-20, 1)):
        changed = replace(spec, task=Task.IMAGE_TO_IMAGE, strength=strength)
        states = [begin(pipeline, changed, source) for source in SOURCES]
        assert [state.steps for state in (*states, *pipeline.step(states))] == [steps] * 4
    assert finish(pipeline, states[0]) != finish(pipeline, states[1])


def test_changes_and_new_pictures_share_a_step(changer: Subject) -> None:
    """Image-to-image is drawn beside text-to-image, as it is alone."""
    pipeline, spec = changer
    changed = replace(spec, task=Task.IMAGE_TO_IMAGE, strength=0.75)
    states = [begin(pipeline, changed, SOURCES[0]), begin(pipeline, spec), begin(pipeline, changed, SOURCES[1])]
    together = [state.latents for state in pipeline.step(states)]
    alone = [
        pipeline.step([begin(pipeline, *of)])[0].latents
        for of in ((changed, SOURCES[0]), (spec,), (changed, SOURCES[1]))
    ]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(together, alone, strict=True))
