"""What the engine asks of a model family: one denoising step at a time, sample by sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image

from app.generation import PictureSpec
from app.inference.pictures import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEmbedding:
    """A prompt as the denoiser sees it; each tensor has a leading dimension of one."""

    tokens: torch.Tensor
    pooled: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleState:
    """One picture on its way from noise; never changed in place, so that a failed step can be repeated.

    `timesteps` has one entry per step of this picture, `sigmas` one more; `step` counts the
    steps done. `latents` has a leading dimension of one, `width` and `height` are native pixels.
    """

    latents: torch.Tensor
    embedding: PromptEmbedding
    timesteps: torch.Tensor
    sigmas: torch.Tensor
    step: int
    width: int
    height: int
    guidance_scale: float

    @property
    def steps(self) -> int:
        """Steps that this picture takes in all; image-to-image takes fewer than were asked for."""
        return len(self.timesteps)


class StepPipeline(Protocol):
    """A model that draws in steps; one thread owns it.

    A picture depends on its own spec, embedding and source alone: never on the other
    samples of a batch, on its position among them, or on when they leave.
    """

    def encode(self, prompt: str, width: int, height: int) -> PromptEmbedding:
        """The embedding of a prompt for a picture of that native size in pixels."""
        ...

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The state before the first step; `source` is the input picture of an image-to-image spec."""
        ...

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step; all have the same native size, any may be at another step."""
        ...

    def decode(self, state: SampleState) -> Pixels:
        """The picture that the state shows."""
        ...
