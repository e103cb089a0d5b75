"""Steps that can be foretold skip the network; company never decides which."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from diffusers import FluxPipeline
from tiny_flux import SEQUENCE_LENGTH, tiny_flux

from app.errors import ConfigurationError
from app.generation import PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline
from app.inference.step_cache import StepCache, require_velocities

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24,
    native_width=32, native_height=24, steps=24,
)  # fmt: skip
TOLERANCE = 0.1


class Counting(WrappedPipeline):
    """Counts the samples that the network was asked about, by the step that they were at."""

    def __init__(self, inner: StepPipeline) -> None:
        super().__init__(inner)
        self.asked: list[int] = []

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """The inner pipeline's step."""
        self.asked += [state.step for state in states]
        return super().step(states)


@cache
def flux() -> FluxStepPipeline:
    """The tiny pipeline, batch-invariant."""
    parts: FluxPipeline = tiny_flux()
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))


def begin(pipeline: StepPipeline, **changes: object) -> SampleState:
    """The first state of the spec, changed."""
    spec = replace(SPEC, **changes)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def finish(pipeline: StepPipeline, state: SampleState) -> SampleState:
    """The last state."""
    while state.steps_left:
        (state,) = pipeline.step([state])
    return state


def cached(tolerance: float = TOLERANCE) -> tuple[StepCache, Counting]:
    """A step cache, and the pipeline in it that counts."""
    counting = Counting(flux())
    return StepCache(counting, tolerance=tolerance), counting


def test_foretold_steps_skip_the_network_and_end_near() -> None:
    """Fewer steps than half ask, the first two and the last among them, and the picture is nearly the same."""
    pipeline, counting = cached()
    state, plain = finish(pipeline, begin(pipeline)), finish(flux(), begin(flux()))
    assert counting.asked[:2] == [0, 1]
    assert counting.asked[-1] == 23
    assert len(counting.asked) < 12
    assert (state.latents - plain.latents).norm() < 0.01 * plain.latents.norm()


def test_less_tolerance_asks_more() -> None:
    """The tolerance trades steps for likeness, down to asking at each."""
    asked = []
    for tolerance in (0.0, 0.05, TOLERANCE):
        pipeline, counting = cached(tolerance)
        finish(pipeline, begin(pipeline))
        asked.append(len(counting.asked))
    assert asked[0] == 24
    assert asked == sorted(asked, reverse=True)


def test_a_short_run_always_asks() -> None:
    """A request for fewer than twenty steps is served step by step, with the bytes of the model itself."""
    pipeline, counting = cached()
    state = finish(pipeline, begin(pipeline, steps=19))
    assert counting.asked == list(range(19))
    assert torch.equal(state.latents, finish(flux(), begin(flux(), steps=19)).latents)


def test_company_decides_nothing() -> None:
    """Samples that join and leave at any step end with the bytes that they have alone."""
    pipeline, _ = cached()
    alone = [finish(pipeline, begin(pipeline, seed=seed, steps=20 + seed)).latents for seed in range(4)]
    under_way = {seed: begin(pipeline, seed=seed, steps=20 + seed) for seed in range(4)}
    for tick in range(40):
        present = [seed for seed, state in under_way.items() if state.steps_left and tick % (seed + 2)]
        moved = pipeline.step([under_way[seed] for seed in present]) if present else []
        under_way |= dict(zip(present, moved, strict=True))
    together = [finish(pipeline, state).latents for state in under_way.values()]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(alone, together, strict=True))


def test_a_failed_step_can_be_repeated() -> None:
    """States are never changed in place, foretold or not."""
    pipeline, _ = cached()
    state = begin(pipeline)
    while state.steps_left:
        once, again = pipeline.step([state])[0], pipeline.step([state])[0]
        assert torch.equal(once.latents, again.latents)
        state = once


def test_a_family_that_tells_no_velocity_is_refused() -> None:
    """A step cache that could never skip stops the start."""
    require_velocities(flux())
    with pytest.raises(ConfigurationError, match="step_cache: 0"):
        require_velocities(WrappedPipeline(flux()))
