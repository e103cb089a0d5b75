"""What the engine may rely on, of every model family and precision."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_flux import SEQUENCE_LENGTH, tiny_flux

from app.generation import PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.quantization import quantize_blocks

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24,
    native_width=32, native_height=24, steps=4, seed=5,
)  # fmt: skip
MANIFEST = Manifest(max_sequence_length=SEQUENCE_LENGTH, prompt_suffix={"32x24": "<32x24>"})


def flux() -> StepPipeline:
    """FLUX in float32."""
    parts = tiny_flux()
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST)


def flux_guided() -> StepPipeline:
    """FLUX with guidance embeddings."""
    parts = tiny_flux(guidance=True)
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST)


def flux_int8() -> StepPipeline:
    """FLUX with eight-bit blocks."""
    parts = tiny_flux()
    quantize_blocks(parts.transformer)
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, MANIFEST)


@pytest.fixture(scope="module", params=[flux, flux_guided, flux_int8], ids=lambda make: make.__name__)
def pipeline(request: pytest.FixtureRequest) -> StepPipeline:
    """Each implementation in turn."""
    make: Callable[[], StepPipeline] = request.param
    return make()


def begin(pipeline: StepPipeline, spec: PictureSpec = SPEC, source: Image.Image | None = None) -> SampleState:
    """The first state of a spec."""
    embedding = pipeline.encode(spec.prompt, spec.native_width, spec.native_height)
    return pipeline.prepare(spec, embedding, source)


def finish(pipeline: StepPipeline, state: SampleState) -> bytes:
    """The picture's bytes after all steps."""
    while state.step < state.steps:
        (state,) = pipeline.step([state])
    return pipeline.decode(state).tobytes()


def test_equal_specs_give_equal_pictures(pipeline: StepPipeline) -> None:
    """A picture is a function of its spec; another seed or prompt is another picture."""
    first = finish(pipeline, begin(pipeline))
    assert finish(pipeline, begin(pipeline)) == first
    assert finish(pipeline, begin(pipeline, replace(SPEC, seed=6))) != first
    assert finish(pipeline, begin(pipeline, replace(SPEC, prompt="a blue square"))) != first


def test_the_size_may_add_to_the_prompt(pipeline: StepPipeline) -> None:
    """The suffix that the manifest names for a size is part of the embedding."""
    plain, sized = pipeline.encode("a circle", 32, 32), pipeline.encode("a circle", 32, 24)
    assert not torch.equal(plain.tokens, sized.tokens)
    assert torch.equal(pipeline.encode("a circle <32x24>", 32, 32).tokens, sized.tokens)


def test_a_step_leaves_its_input_alone(pipeline: StepPipeline) -> None:
    """A failed step can be repeated, since states are never changed in place."""
    state = begin(pipeline)
    before = state.latents.clone()
    (moved,) = pipeline.step([state])
    assert (state.step, moved.step, moved.steps) == (0, 1, 4)
    assert torch.equal(state.latents, before)
    assert not torch.equal(moved.latents, before)


def test_company_does_not_matter(pipeline: StepPipeline) -> None:
    """A sample in a batch of eight, at any place in it, is the sample alone."""
    states = [begin(pipeline, replace(SPEC, seed=seed)) for seed in range(8)]
    alone = [pipeline.step([state])[0].latents for state in states]
    together = [state.latents for state in pipeline.step(states[::-1])[::-1]]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(alone, together, strict=True))


def test_a_picture_has_its_native_size(pipeline: StepPipeline) -> None:
    """Decoding gives height x width x 3 bytes."""
    pixels = pipeline.decode(begin(pipeline))
    assert (pixels.shape, pixels.dtype) == ((24, 32, 3), np.uint8)


def test_strength_decides_how_much_of_the_source_stays(pipeline: StepPipeline) -> None:
    """A weak change runs few steps from a state that shows the source; the strongest ignores it."""
    sources = [Image.new("RGB", (100, 90), colour) for colour in ("orange", "navy")]
    weak, strong = (
        [begin(pipeline, replace(SPEC, strength=strength), source) for source in sources] for strength in (0.25, 1.0)
    )
    assert (weak[0].steps, strong[0].steps) == (1, 4)
    assert not torch.equal(weak[0].latents, weak[1].latents)
    assert torch.equal(strong[0].latents, strong[1].latents)
