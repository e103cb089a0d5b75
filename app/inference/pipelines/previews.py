"""Previews: what a step of a deterministic sampler predicts as the end of its path, made small."""

import math

import torch
from torch.nn.functional import avg_pool2d

from app.inference.pipelines.contract import SampleState

PREVIEW_SIDE = 256


def predicted_end(before: SampleState, after: SampleState) -> torch.Tensor:
    """The latents at the end of the straight line through two states, without another pass of the network.

    An Euler step moves by (s' - s) v, so v can be read off its two ends, and the end is x - s v.
    A step without a stride tells nothing: its end is where it is.
    """
    sigma, following = before.sigmas[before.step], before.sigmas[after.step]
    if sigma == following:
        return after.latents
    velocity = (after.latents.float() - before.latents.float()) / (following - sigma)
    return (before.latents.float() - sigma * velocity).to(after.latents.dtype)


def reduced(latents: torch.Tensor, scale: int) -> torch.Tensor:
    """Latents (1, C, H, W) averaged over blocks until their picture, `scale` times as large, is a preview."""
    factor = math.ceil(scale * max(latents.shape[-2:]) / PREVIEW_SIDE)
    return latents if factor <= 1 else avg_pool2d(latents, factor, ceil_mode=True)
