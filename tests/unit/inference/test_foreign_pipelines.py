"""Pipelines of diffusers that have no family here: drawn by their own call, step by step."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    HeunDiscreteScheduler,
    KandinskyV22Pipeline,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
)
from PIL import Image
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_foreign import tiny_dit, tiny_pixart, tiny_stable_diffusion

from app.errors import ConfigurationError, InvalidInputError
from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline

# The schedulers of diffusers hand tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red", negative_prompt="blue", width=32, height=24,
    native_width=32, native_height=24, steps=3, seed=5, guidance_scale=4.0,
)  # fmt: skip
SOURCE = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
ASKED = {"prompt": "a red", "negative_prompt": "blue", "num_inference_steps": 3, "guidance_scale": 4.0}
SIZE = {"width": 32, "height": 24}


def adapted(parts: Any) -> ForeignStepPipeline:
    """The pipeline behind the contract."""
    return ForeignStepPipeline(parts, Manifest())


def begin(pipeline: ForeignStepPipeline, spec: PictureSpec = SPEC, source: Image.Image | None = None) -> SampleState:
    """The first state of a spec."""
    return pipeline.prepare(spec, pipeline.encode(spec), source)


def finish(pipeline: ForeignStepPipeline, state: SampleState) -> np.ndarray:
    """The picture after all steps."""
    while state.steps_left:
        (state,) = pipeline.step([state])
    return pipeline.decode(state)


def plain(parts: Any, seed: int = 5, **arguments: Any) -> np.ndarray:
    """What the pipeline's own call draws."""
    return np.asarray(parts(**arguments, generator=torch.Generator().manual_seed(seed)).images[0])


@contextmanager
def passes(network: torch.nn.Module, fail_at: int | None = None) -> Iterator[list[int]]:
    """Counts the passes of a network while it is entered; pass number `fail_at` raises."""
    counted: list[int] = []

    def count(*_: object) -> None:
        counted.append(len(counted))
        if len(counted) - 1 == fail_at:
            raise RuntimeError("the network broke")

    handle = network.register_forward_pre_hook(count)
    try:
        yield counted
    finally:
        handle.remove()


def run_threads() -> list[threading.Thread]:
    """The threads of pictures under way."""
    return [thread for thread in threading.enumerate() if thread.name == "darkroom-run"]


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (tiny_stable_diffusion, 3),
        (partial(tiny_stable_diffusion, LCMScheduler), 3),
        (partial(tiny_stable_diffusion, EulerDiscreteScheduler), 3),
        (partial(tiny_stable_diffusion, PNDMScheduler), 4),
        (partial(tiny_stable_diffusion, HeunDiscreteScheduler), 5),
        (tiny_pixart, 3),
    ],
    ids=["DDIM", "LCM", "Euler", "PNDM", "Heun", "PixArt"],
)
def test_a_picture_is_the_pipelines_own(make: Callable[[], Any], steps: int) -> None:
    """The bytes are those of the plain call with the seed; schedulers may take more steps than were asked for."""
    parts = make()
    pipeline = adapted(parts)
    (state,) = pipeline.step([begin(pipeline)])
    assert (state.step, state.steps) == (1, steps)
    assert np.array_equal(finish(pipeline, state), plain(parts, **ASKED, **SIZE))


def test_a_manifest_may_bound_the_prompt() -> None:
    """The longest prompt that the manifest names is told to calls that want to know."""
    parts = tiny_flux()
    pipeline = ForeignStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))
    asked = {"prompt": "a red", "num_inference_steps": 3, "guidance_scale": 4.0, "max_sequence_length": SEQUENCE_LENGTH}
    assert np.array_equal(finish(pipeline, begin(pipeline)), plain(parts, **asked, **SIZE))


def test_a_pipeline_that_tells_of_no_steps_takes_them_at_once() -> None:
    """DiT draws in the first step; its prompt is the name of a class, and its only size is cropped."""
    parts = tiny_dit()
    pipeline = adapted(parts)
    square = replace(SPEC, prompt="square", native_height=32)
    (state,) = pipeline.step([begin(pipeline, square)])
    drawn = plain(parts, class_labels=[1], num_inference_steps=3, guidance_scale=4.0)
    assert (state.step, state.steps_left) == (3, 0)
    assert np.array_equal(pipeline.decode(state), drawn)
    assert np.array_equal(finish(pipeline, begin(pipeline, replace(SPEC, prompt="square"))), drawn[4:28])


def test_an_unknown_class_is_the_callers_mistake() -> None:
    """A prompt that names no class is refused at the field; without any prompt the first class is drawn."""
    parts = tiny_dit()
    pipeline = adapted(parts)
    with pytest.raises(InvalidInputError) as raised:
        finish(pipeline, begin(pipeline, replace(SPEC, prompt="a red circle")))
    assert raised.value.issues[0].loc == ("body", "prompt")
    unprompted = replace(SPEC, prompt="", native_height=32)
    disc = replace(unprompted, prompt="disc")
    assert np.array_equal(*(finish(pipeline, begin(pipeline, spec)) for spec in (unprompted, disc)))


@pytest.mark.parametrize(("strength", "steps"), [(1.0, 3), (0.7, 2), (1e-20, 1)])
def test_a_sibling_draws_from_pictures(strength: float, steps: int) -> None:
    """Image-to-image is that of the class that diffusers has for it; however small the strength, one step is run."""
    parts = tiny_stable_diffusion()
    pipeline = adapted(parts)
    state = begin(pipeline, replace(SPEC, strength=strength), SOURCE)
    sibling = StableDiffusionImg2ImgPipeline(**parts.components, requires_safety_checker=False)
    sibling.set_progress_bar_config(disable=True)
    assert (state.steps, pipeline.step([state])[0].steps) == (steps, steps)
    told = {"image": SOURCE, "strength": max(strength, 1 / 3)}
    assert np.array_equal(finish(pipeline, state), plain(sibling, **ASKED, **told))


def test_a_pipeline_for_pictures_draws_from_words_too() -> None:
    """A model that was saved as an image-to-image pipeline serves text-to-image through its sibling."""
    parts = tiny_flux()
    told = Manifest(max_sequence_length=SEQUENCE_LENGTH)
    pictures = [
        finish(pipeline, begin(pipeline))
        for pipeline in (ForeignStepPipeline(each, told) for each in (parts, FluxImg2ImgPipeline(**parts.components)))
    ]
    assert np.array_equal(*pictures)


def test_what_a_pipeline_cannot_start_from_is_refused() -> None:
    """A picture for a model that only draws from words is refused with what to do."""
    with pytest.raises(ConfigurationError, match="PixArtAlphaPipeline cannot draw from a picture"):
        begin(adapted(tiny_pixart()), SPEC, SOURCE)


def test_a_pipeline_that_needs_more_than_a_request_holds_stops_the_start() -> None:
    """What its call insists on is named: the second half of Kandinsky wants what its first half makes."""
    parts = tiny_stable_diffusion()
    half = KandinskyV22Pipeline(unet=parts.unet, scheduler=parts.scheduler, movq=parts.vae)
    with pytest.raises(ConfigurationError, match="no request holds its image_embeds, negative_image_embeds"):
        adapted(half)


def test_runs_alternate_without_touching_each_other() -> None:
    """Two pictures whose steps take turns are those drawn one after the other, also with a random scheduler."""
    parts = tiny_stable_diffusion(LCMScheduler)
    pipeline = adapted(parts)
    specs = [replace(SPEC, seed=1), replace(SPEC, seed=2, steps=4, guidance_scale=0.0)]
    first, second = (begin(pipeline, spec) for spec in specs)
    (first,) = pipeline.step([first])
    second, first = pipeline.step([second, first])
    (second,) = pipeline.step([second])
    assert np.array_equal(finish(pipeline, first), plain(parts, seed=1, **ASKED, **SIZE))
    unguided = ASKED | {"num_inference_steps": 4, "guidance_scale": 0.0}
    assert np.array_equal(finish(pipeline, second), plain(parts, seed=2, **unguided, **SIZE))


def test_a_picture_that_is_dropped_ends_its_call() -> None:
    """No thread is left of a cancelled picture, and the others go on."""
    pipeline = adapted(tiny_stable_diffusion())
    (kept,) = pipeline.step([begin(pipeline)])
    (kept_thread,) = run_threads()
    (dropped,) = pipeline.step([begin(pipeline)])
    (thread,) = set(run_threads()) - {kept_thread}
    gc.disable()
    try:
        del dropped
        thread.join(10)
    finally:
        gc.enable()
    assert not thread.is_alive()
    assert kept_thread.is_alive()
    finish(pipeline, kept)
    kept_thread.join(10)
    assert not kept_thread.is_alive()


def test_a_failure_is_raised_where_it_happens() -> None:
    """An error inside the call is raised by `step`, its thread ends, and the step can be tried again."""
    parts = tiny_stable_diffusion()
    pipeline = adapted(parts)
    with passes(parts.unet, fail_at=1):
        (state,) = pipeline.step([begin(pipeline)])
        (thread,) = run_threads()
        with pytest.raises(RuntimeError, match="the network broke"):
            pipeline.step([state])
        thread.join(10)
        assert not thread.is_alive()
        assert np.array_equal(finish(pipeline, state), plain(parts, **ASKED, **SIZE))


def test_a_failure_costs_the_pictures_beside_it_nothing() -> None:
    """When one of a batch fails, the steps of those before it are not taken twice."""
    parts = tiny_stable_diffusion()
    pipeline = adapted(parts)
    states = pipeline.step([begin(pipeline, replace(SPEC, seed=seed)) for seed in range(3)])
    with passes(parts.unet, fail_at=1) as taken:
        with pytest.raises(RuntimeError, match="the network broke"):
            pipeline.step(states)
        moved = [pipeline.step([states[place]])[0] for place in (0, 2)]
    assert len(taken) == 3
    assert [state.step for state in moved] == [2, 2]


def test_a_step_that_was_taken_begins_the_picture_anew() -> None:
    """Calls only go forward: a state that was left behind is caught up with, and is the same again."""
    parts = tiny_stable_diffusion()
    pipeline = adapted(parts)
    (first,) = pipeline.step([begin(pipeline)])
    (second,) = pipeline.step([first])
    with passes(parts.unet) as taken:
        (again,) = pipeline.step([first])
    assert len(taken) == 2
    assert torch.equal(again.latents, second.latents)


def test_a_picture_can_be_asked_for_early() -> None:
    """Decoding takes the steps that are left."""
    parts = tiny_stable_diffusion()
    pipeline = adapted(parts)
    assert np.array_equal(pipeline.decode(begin(pipeline)), plain(parts, **ASKED, **SIZE))


@pytest.mark.parametrize("scheduler", [EulerDiscreteScheduler, LCMScheduler, HeunDiscreteScheduler])
def test_a_preview_shows_what_the_scheduler_expects(scheduler: type) -> None:
    """The prediction of the last step is the picture, however noisy the states on the way."""
    pipeline = adapted(tiny_stable_diffusion(scheduler))
    before = after = begin(pipeline)
    while after.steps_left:
        before, (after,) = after, pipeline.step([after])
    difference = pipeline.preview(before, after).astype(int) - pipeline.decode(after)
    assert np.abs(difference).max() <= 1


def test_states_of_other_pipelines_are_refused() -> None:
    """A state that no run belongs to cannot be stepped."""
    pipeline = adapted(tiny_stable_diffusion())
    state = begin(pipeline)
    stranger = SampleState(
        latents=state.latents, embedding=state.embedding, timesteps=state.timesteps, sigmas=state.sigmas, step=0,
        width=32, height=24, guidance_scale=0.0,
    )  # fmt: skip
    with pytest.raises(TypeError, match="SampleState"):
        pipeline.step([stranger])
