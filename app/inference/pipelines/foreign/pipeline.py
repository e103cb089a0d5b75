"""Serves any pipeline of diffusers that draws pictures, step by step where its call tells of its steps."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from app.errors import ConfigurationError, GenerationFailedError
from app.generation import PictureSpec, Task
from app.inference.manifest import Manifest
from app.inference.pictures import Pixels, cover
from app.inference.pipelines.contract import PromptEmbedding, SampleState
from app.inference.pipelines.foreign.calls import Call, calls_of
from app.inference.pipelines.foreign.runs import Performance, Run
from app.inference.pipelines.foreign.thumbnails import shown, thumbnail


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignState(SampleState):
    """A picture drawn by the call of a pipeline, which goes on for as long as one of its states is held.

    Timesteps and noise levels only count. `latents` are empty where the pipeline does not tell
    them; `predicted` are the finished ones that its scheduler expects, where it tells.
    """

    is_its_latents = False

    run: Run
    predicted: torch.Tensor | None = None


class ForeignStepPipeline:
    """Any picture pipeline of diffusers behind the contract; `parts` is that pipeline.

    A picture is what the pipeline's own call draws for the seed, cropped to the native size where
    it knows another. Samples of a batch take their step one after the other, each in a call of its
    own over the same networks, which does its own encoding: embeddings are empty. A pipeline whose
    call does not tell of its steps takes them all in the first. Calls only go forward: to repeat a
    step that was taken begins the picture anew.
    """

    def __init__(self, pipeline: DiffusionPipeline, manifest: Manifest, encoder_revision: str = "") -> None:
        self.parts: Any = pipeline
        self._manifest = manifest
        self._encoder_revision = encoder_revision
        self._calls = calls_of(pipeline)

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """The same for every spec, as are the embeddings."""
        return "diffusers", self._encoder_revision

    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """An empty embedding."""
        return PromptEmbedding(tokens=torch.empty(1, 0), pooled=torch.empty(1, 0))

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The state before the first step, after which the number of steps is certain.

        Raises ConfigurationError when the pipeline cannot draw from a picture, or not without one.
        """
        call = self._call(Task.TEXT_TO_IMAGE if source is None else Task.IMAGE_TO_IMAGE)
        steps = spec.steps if source is None else max(1, int(spec.steps * spec.strength))
        timesteps, sigmas = _schedule(steps)
        return ForeignState(
            latents=torch.empty(1, 0),
            embedding=embedding,
            timesteps=timesteps,
            sigmas=sigmas,
            step=0,
            width=spec.native_width,
            height=spec.native_height,
            guidance_scale=spec.guidance_scale,
            loras=spec.loras,
            run=Run(Performance(call, partial(call.arguments, spec, self._manifest, source), steps)),
        )

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step, taken one after the other; raises what a pipeline's call raises.

        When one of several fails, the steps of those before it are kept until they are asked for again.
        """
        moved: list[ForeignState] = []
        for state in states:
            try:
                moved.append(self._moved(_foreign(state)))
            except BaseException:
                for taken in moved:
                    taken.run.hold_back()
                raise
        return list(moved)

    def decode(self, state: SampleState) -> Pixels:
        """The finished picture: what is left of the call is done first."""
        picture = _foreign(state).run.finished()
        return np.asarray(cover(picture, state.width, state.height))

    @torch.inference_mode()
    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """The finished latents that the scheduler expects, else the latents as they are, else the last picture.

        Raises GenerationFailedError while none of these is known.
        """
        state = _foreign(after)
        latents = state.latents if state.predicted is None else state.predicted
        if latents.numel():
            return shown(self.parts, latents, width=state.width, height=state.height)
        if state.run.picture is None:
            raise GenerationFailedError(f"{type(self.parts).__name__} does not tell what it draws before it is done")
        return thumbnail(state.run.picture)

    def _call(self, task: Task) -> Call:
        if task not in self._calls:
            cannot = "without a picture" if task is Task.TEXT_TO_IMAGE else "from a picture"
            raise ConfigurationError(f"{type(self.parts).__name__} cannot draw {cannot}; serve it for another task")
        return self._calls[task]

    def _moved(self, state: ForeignState) -> ForeignState:
        progress = state.run.after(state.step + 1)
        timesteps, sigmas = _schedule(progress.steps)
        if self.parts.device.type == "cuda":
            torch.cuda.synchronize(self.parts.device)
        return ForeignState(
            latents=torch.empty(1, 0) if progress.latents is None else progress.latents,
            predicted=progress.predicted,
            embedding=state.embedding,
            timesteps=timesteps,
            sigmas=sigmas,
            step=progress.step,
            width=state.width,
            height=state.height,
            guidance_scale=state.guidance_scale,
            loras=state.loras,
            run=state.run,
        )


def _schedule(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    sigmas = torch.linspace(1, 0, steps + 1)
    return sigmas[:-1], sigmas


def _foreign(state: SampleState) -> ForeignState:
    if not isinstance(state, ForeignState):
        raise TypeError(f"a state of another pipeline: {type(state).__name__}")
    return state
