"""Skips the network at steps where what it would say can be foretold.

Along a run of many steps the velocity of a sample turns slowly and steadily. Two answers of the
network show how fast; until the next one has probably turned too far, it is read off the line
through the last two. All of this is decided sample by sample, from numbers of that sample alone,
so that company changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from PIL import Image

from app.config.variants import FEWEST_CACHED_STEPS
from app.errors import ConfigurationError
from app.generation import PictureSpec
from app.inference.pipelines.contract import PromptEmbedding, SampleState, StepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traced(SampleState):
    """A state that knows when the network spoke last, and by how much its answer turns per unit of sigma."""

    is_its_latents = False

    asked_at: int = 0
    slope: torch.Tensor | None = None
    turning: float = math.inf


class StepCache(WrappedPipeline):
    """Asks the network again when its answer has turned, by prediction, by `tolerance` of its length.

    The first two steps and the last always ask, and so does every step of a run of fewer than
    twenty. The inner pipeline has to report velocities.
    """

    def __init__(self, inner: StepPipeline, *, tolerance: float) -> None:
        super().__init__(inner)
        self._tolerance = tolerance

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The inner pipeline's state."""
        state = super().prepare(spec, embedding, source)
        return _Traced(**{field.name: getattr(state, field.name) for field in fields(SampleState)})

    @torch.inference_mode()
    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step, of the network or foretold."""
        foretold = [_foretold(state, self._tolerance) for state in states]
        asking = [state for state, known in zip(states, foretold, strict=True) if known is None]
        answers = iter(self._asked(asking))
        return [next(answers) if known is None else known for known in foretold]

    def _asked(self, states: list[SampleState]) -> list[SampleState]:
        if not states:
            return []
        return [_traced(before, after) for before, after in zip(states, self.inner.step(states), strict=True)]


def require_velocities(pipeline: StepPipeline) -> None:
    """Raises ConfigurationError when the pipeline does not report the velocities that its network gives."""
    if not getattr(pipeline, "reports_velocity", False):
        raise ConfigurationError("step_cache: the steps of this model's family cannot be foretold; set step_cache: 0")


def _foretold(state: SampleState, tolerance: float) -> SampleState | None:
    """The state after a step along the foretold velocity; None when the network has to say."""
    if not isinstance(state, _Traced) or state.slope is None or state.velocity is None or state.steps_left == 1:
        return None
    since = _sigma_since_asked(state)
    if state.steps < FEWEST_CACHED_STEPS or state.turning * abs(since) >= tolerance:
        return None
    stride = state.sigmas[state.step + 1] - state.sigmas[state.step]
    latents = state.latents.float() + stride * (state.velocity + since * state.slope)
    return replace(state, latents=latents.to(state.latents.dtype), step=state.step + 1)


def _traced(before: SampleState, after: SampleState) -> SampleState:
    if not isinstance(before, _Traced) or not isinstance(after, _Traced) or after.velocity is None:
        return after
    # A slice of a batch begins anywhere in memory, where a kernel may add up in another order.
    velocity = after.velocity.float().clone()
    after = replace(after, velocity=velocity, asked_at=before.step)
    if before.velocity is None:
        return after
    slope = (velocity - before.velocity) / _sigma_since_asked(before)
    return replace(after, slope=slope, turning=float(slope.norm() / velocity.norm()))


def _sigma_since_asked(state: _Traced) -> float:
    return float(state.sigmas[state.step] - state.sigmas[state.asked_at])
