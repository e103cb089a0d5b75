"""Steps that can be foretold skip the network; company never decides which."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_sdxl import tiny_sdxl

from app.errors import ConfigurationError
from app.generation import PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.sdxl import SdxlStepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline
from app.inference.step_cache import StepCache, require_velocities

# NumPy's own, about the scheduler of diffusers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red circle", width=32, height=24,
    native_width=32, native_height=24, steps=24, guidance_scale=4.0,
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


def flux() -> StepPipeline:
    """The tiny FLUX pipeline, batch-invariant."""
    parts = tiny_flux()
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))


def sdxl() -> StepPipeline:
    """The tiny SDXL pipeline, batch-invariant."""
    parts = tiny_sdxl()
    make_batch_invariant(parts.unet)
    return SdxlStepPipeline(parts, Manifest())


@pytest.fixture(scope="module", params=[flux, sdxl], ids=lambda make: make.__name__)
def plain(request: pytest.FixtureRequest) -> StepPipeline:
    """Each family that reports its velocities, in turn."""
    make: Callable[[], StepPipeline] = request.param
    return make()


def begin(pipeline: StepPipeline, **changes: object) -> SampleState:
    """The first state of the spec, changed."""
    spec = replace(SPEC, **changes)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def finish(pipeline: StepPipeline, state: SampleState) -> SampleState:
    """The last state."""
    while state.steps_left:
        (state,) = pipeline.step([state])
    return state


def cached(plain: StepPipeline, tolerance: float = TOLERANCE) -> tuple[StepCache, Counting]:
    """A step cache, and the pipeline in it that counts."""
    counting = Counting(plain)
    return StepCache(counting, tolerance=tolerance), counting


def test_foretold_steps_skip_the_network_and_end_near(plain: StepPipeline) -> None:
    """Fewer steps than half ask, the first two and the last among them, and the picture is nearly the same."""
    pipeline, counting = cached(plain)
    state, expected = finish(pipeline, begin(pipeline)), finish(plain, begin(plain))
    assert counting.asked[:2] == [0, 1]
    assert counting.asked[-1] == 23
    assert len(counting.asked) < 12
    assert (state.latents - expected.latents).norm() < 0.01 * expected.latents.norm()


def test_less_tolerance_asks_more(plain: StepPipeline) -> None:
    """The tolerance trades steps for likeness, down to asking at each."""
    asked = []
    for tolerance in (0.0, 0.05, TOLERANCE):
        pipeline, counting = cached(plain, tolerance)
        finish(pipeline, begin(pipeline))
        asked.append(len(counting.asked))
    assert asked[0] == 24
    assert asked == sorted(asked, reverse=True)


def test_a_short_run_always_asks(plain: StepPipeline) -> None:
    """A request for fewer than twenty steps is served step by step, with the bytes of the model itself."""
    pipeline, counting = cached(plain)
    state = finish(pipeline, begin(pipeline, steps=19))
    assert counting.asked == list(range(19))
    assert torch.equal(state.latents, finish(plain, begin(plain, steps=19)).latents)


def test_company_decides_nothing(plain: StepPipeline) -> None:
    """Samples that join and leave at any step end with the bytes that they have alone."""
    pipeline, _ = cached(plain)
    alone = [finish(pipeline, begin(pipeline, seed=seed, steps=20 + seed)).latents for seed in range(4)]
    under_way = {seed: begin(pipeline, seed=seed, steps=20 + seed) for seed in range(4)}
    for tick in range(40):
        present = [seed for seed, state in under_way.items() if state.steps_left and tick % (seed + 2)]
        moved = pipeline.step([under_way[seed] for seed in present]) if present else []
        under_way |= dict(zip(present, moved, strict=True))
    together = [finish(pipeline, state).latents for state in under_way.values()]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(alone, together, strict=True))


def test_a_failed_step_can_be_repeated(plain: StepPipeline) -> None:
    """States are never changed in place, foretold or not."""
    pipeline, _ = cached(plain)
    state = begin(pipeline)
    while state.steps_left:
        once, again = pipeline.step([state])[0], pipeline.step([state])[0]
        assert torch.equal(once.latents, again.latents)
        state = once


def test_a_family_that_tells_no_velocity_is_refused(plain: StepPipeline) -> None:
    """A step cache that could never skip stops the start."""
    require_velocities(plain)
    with pytest.raises(ConfigurationError, match="step_cache: 0"):
        require_velocities(WrappedPipeline(plain))
