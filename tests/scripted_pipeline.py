"""A pipeline without a network: what it does at each step is told by the test."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from app.generation import PictureSpec
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import PromptEmbedding, SampleState


class ScriptedPipeline:
    """Paints its seed; `before_step` is called with the seeds of each batch and may raise."""

    def __init__(self, before_step: Callable[[list[int]], object] = lambda seeds: None) -> None:
        self.before_step = before_step
        self.encoded: list[str] = []
        self.sources: list[Image.Image | None] = []
        self.batches: list[list[int]] = []
        self.decoded: list[int] = []

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """The prompt alone."""
        return spec.prompt

    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """An empty embedding; the prompt `unspeakable` fails."""
        self.encoded.append(spec.prompt)
        if spec.prompt == "unspeakable":
            raise RuntimeError("no such words")
        return PromptEmbedding(tokens=torch.zeros(1), pooled=torch.zeros(1))

    def prepare(self, spec: PictureSpec, embedding: PromptEmbedding, source: Image.Image | None) -> SampleState:
        """A state that holds the seed."""
        self.sources.append(source)
        schedule = torch.linspace(1, 0, spec.steps + 1)
        return SampleState(
            latents=torch.tensor([spec.seed]), embedding=embedding, timesteps=schedule[:-1], sigmas=schedule, step=0,
            width=spec.native_width, height=spec.native_height, guidance_scale=spec.guidance_scale, loras=spec.loras,
        )  # fmt: skip

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """The next states, when the script lets them."""
        seeds = [int(state.latents) for state in states]
        self.before_step(seeds)
        self.batches.append(seeds)
        return [replace(state, step=state.step + 1) for state in states]

    def decode(self, state: SampleState) -> Pixels:
        """A picture in the grey of the seed."""
        self.decoded.append(int(state.latents))
        return np.full((state.height, state.width, 3), int(state.latents), np.uint8)

    def preview(self, before: SampleState, after: SampleState) -> Pixels:
        """A little picture in the grey of the seed."""
        return np.full((8, 8, 3), int(before.latents), np.uint8)
