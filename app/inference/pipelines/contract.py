"""What the engine asks of a model family: one denoising step at a time, sample by sample."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from PIL import Image

from app.generation import Lora, PictureSpec
from app.inference.pictures import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEmbedding:
    """A prompt as the denoiser sees it; each tensor has a leading dimension of one.

    `negative` is what the picture shall not show, in families that are guided away from it.
    """

    tokens: torch.Tensor
    pooled: torch.Tensor
    negative: "PromptEmbedding | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleState:
    """One picture on its way from noise; never changed in place, so that a failed step can be repeated.

    `timesteps` has one entry per step of this picture, `sigmas` one more; `step` counts the
    steps done. `latents` has a leading dimension of one, `width` and `height` are native pixels.
    `velocity` is what the network said last, by which the latents moved for each unit of sigma,
    in families whose steps are straight lines.
    """

    latents: torch.Tensor
    embedding: PromptEmbedding
    timesteps: torch.Tensor
    sigmas: torch.Tensor
    step: int
    width: int
    height: int
    guidance_scale: float
    loras: tuple[Lora, ...] = ()
    velocity: torch.Tensor | None = None

    is_its_latents: ClassVar[bool] = True
    """Whether the latents and the step are all that the rest of the way depends on."""

    @property
    def steps(self) -> int:
        """Steps that this picture takes in all; image-to-image takes fewer than were asked for."""
        return self.timesteps.shape[0]

    @property
    def steps_left(self) -> int:
        """Steps still to do."""
        return self.steps - self.step


class StepPipeline(Protocol):
    """A model that draws in steps; one thread owns it.

    A picture depends on its own spec, embedding and source alone: never on the other
    samples of a batch, on its position among them, on when they join or leave, or on
    whether it is previewed.
    """

    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """The embedding of the spec's prompts; it depends on nothing but what `embedding_key` names."""
        ...

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """Specs with equal keys have equal embeddings, also in pipelines that share their text encoders."""
        ...

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """The state before the first step; `source` is the input picture of an image-to-image spec."""
        ...

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step; all have the same native size and LoRAs, any may be at another step."""
        ...

    def decode(self, state: SampleState) -> Pixels:
        """The picture that the state shows."""
        ...

    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """A small picture of what the step from `before` to `after` predicts as the end, 256 pixels a side at most."""
        ...
