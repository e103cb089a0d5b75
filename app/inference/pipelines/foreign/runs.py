"""One picture under way: the call of a pipeline, halted after each of its steps."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from app.inference.pipelines.foreign.calls import Call, private_copy
from app.inference.pipelines.foreign.coroutine import ThreadCoroutine
from app.inference.pipelines.foreign.predictions import Witness

_THREAD_NAME = "darkroom-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a call has come: `step` of `steps` are done; `picture` is there once it has returned.

    `latents` are those after the step, `predicted` the finished ones that the scheduler expects, where they are told.
    """

    step: int
    steps: int
    latents: torch.Tensor | None = None
    predicted: torch.Tensor | None = None
    picture: Image.Image | None = None


Tell = Callable[[Progress], None]


class Run:
    """A call of a pipeline that can be asked for any of its steps; dropping it ends the call.

    A call only goes forward. To give again what it has given, or after it has failed, the run
    makes the call anew: equal arguments give an equal picture.
    """

    def __init__(self, perform: Callable[[Tell], Progress]) -> None:
        self._perform = perform
        self._call: ThreadCoroutine[Progress] | None = None
        self._progress: Progress | None = None
        self._is_held_back = False

    @property
    def picture(self) -> Image.Image | None:
        """The finished picture, where it is there."""
        return None if self._progress is None else self._progress.picture

    def after(self, step: int) -> Progress:
        """The progress after that step, or at the end when that comes first; raises what the call raises."""
        held_back, self._is_held_back = self._is_held_back, False
        if self._progress is not None and self._progress.step >= step and not held_back:
            self._progress = None
        progress = self._progress
        while progress is None or (progress.step < step and progress.picture is None):
            progress = self._resumed()
        return progress

    def hold_back(self) -> None:
        """Nobody received the latest progress: it will be given once more."""
        self._is_held_back = True

    def finished(self) -> Image.Image:
        """The picture, as soon as it is there; raises what the call raises."""
        picture = self.picture
        while picture is None:
            picture = self._resumed().picture
        return picture

    def _resumed(self) -> Progress:
        call = self._call if self._progress is not None else None
        call = call or ThreadCoroutine(self._perform, name=_THREAD_NAME)
        # Unless it answers, it has ended.
        self._call, self._progress = None, None
        progress = call.resume()
        self._call, self._progress = call, progress
        return progress


class Performance:
    """What a run does in its thread: call the pipeline, and tell of every step."""

    def __init__(self, call: Call, arguments: Callable[[], dict[str, Any]], steps: int) -> None:
        self._call = call
        self._arguments = arguments
        self._steps = steps

    @torch.no_grad()
    def __call__(self, tell: Tell) -> Progress:
        """The progress at the end."""
        witness, progress = Witness(), Progress(step=0, steps=self._steps)
        pipeline = private_copy(self._call.pipeline, witness.watched)

        def after_step(stepped: Any, latents: torch.Tensor | None) -> None:
            nonlocal progress
            progress = Progress(
                step=progress.step + 1,
                steps=max(progress.step + 1, getattr(stepped, "num_timesteps", None) or self._steps),
                latents=_copied(witness.latents if latents is None else latents),
                predicted=_copied(witness.predicted),
            )
            tell(progress)

        try:
            picture = pipeline(**self._arguments(), **self._call.hooks(after_step)).images[0]
            steps = progress.step or self._steps
            return replace(progress, step=steps, steps=steps, picture=picture.convert("RGB"))
        finally:
            witness.forget()


def _copied(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """Pipelines may go on to write into what they have handed out."""
    return None if tensor is None else tensor.detach().clone()
