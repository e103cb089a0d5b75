"""Samples held-out prompts during training and reports the share drawn right, in all, per part and per kind."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from app.builtin.demand import KINDS, Kind
from app.builtin.render import ASPECTS
from app.builtin.training.flow import euler_sample
from app.builtin.training.inspection import Finding, inspect, shares
from app.builtin.training.latents import denormalise, half_size_images, unpack
from app.builtin.training.scenes import SceneBatch, SceneSource


@dataclass(frozen=True)
class Probe:
    """How to measure a denoiser: sampling steps, and prompts of each kind on each of two canvases."""

    source: SceneSource
    seed: int
    steps: int
    size: int = 16

    def __call__(self, model: FluxTransformer2DModel) -> dict[str, float]:
        """The shares of held-out prompts drawn right, in all, per part and per kind."""
        by_kind = {kind: list(self._findings(model, kind)) for kind in KINDS}
        kinds = {str(kind): shares(findings)["right"] for kind, findings in by_kind.items()}
        return shares([finding for findings in by_kind.values() for finding in findings]) | kinds

    def _findings(self, model: FluxTransformer2DModel, kind: Kind) -> Iterator[Finding]:
        number = KINDS.index(kind)
        rng = np.random.default_rng((self.seed, number))
        for shape in (ASPECTS[0], ASPECTS[1 + number % (len(ASPECTS) - 1)]):
            batch = self.source.batch(rng, self.size, shape, held_out=True, kind=kind)
            images = sample_half_size(model, batch, torch.Generator().manual_seed(number), steps=self.steps)
            yield from (inspect(demand, image) for demand, image in zip(batch.demands, images, strict=True))


def sample_half_size(
    model: FluxTransformer2DModel, batch: SceneBatch, generator: torch.Generator, *, steps: int
) -> Tensor:
    """Half-size images the model draws for a batch's prompts."""
    noise = torch.randn(batch.data.shape, generator=generator).to(batch.data.device)
    tokens = euler_sample(model, noise, batch.conditioning, batch.grid, steps=steps)
    return half_size_images(denormalise(unpack(tokens, batch.grid.height, batch.grid.width))).cpu()
