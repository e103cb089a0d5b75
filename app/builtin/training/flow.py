"""Rectified flow as the FLUX pipeline runs it: noise times, velocity loss and Euler sampling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from app.builtin.training.latents import position_ids

FEW_STEP_TIMES: Final = (0.75, 0.5, 0.25)
OBJECT_WEIGHT: Final = 3.0


@dataclass(frozen=True)
class Conditioning:
    """What the text encoders say: a token sequence and a pooled vector per prompt."""

    tokens: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Grid:
    """The size of a latent image in latent pixels."""

    height: int
    width: int


def velocity(
    transformer: FluxTransformer2DModel, noisy: Tensor, times: Tensor, conditioning: Conditioning, grid: Grid
) -> Tensor:
    """The predicted velocity (noise minus data) of packed latents at times between 0 and 1."""
    predicted: Tensor = transformer(
        hidden_states=noisy,
        timestep=times,
        encoder_hidden_states=conditioning.tokens,
        pooled_projections=conditioning.pooled,
        txt_ids=torch.zeros(conditioning.tokens.shape[1], 3, device=noisy.device),
        img_ids=position_ids(grid.height, grid.width, noisy.device),
        return_dict=False,
    )[0]
    return predicted


def sample_times(size: int, generator: torch.Generator, *, visited: Sequence[float] = FEW_STEP_TIMES) -> Tensor:
    """Noise times: a fifth pure noise, two fifths near those a sampler visits, the rest anywhere in between."""
    times = torch.sigmoid(1.2 * torch.randn(size, generator=generator) + 0.4)
    pure, near = size // 5, size // 5 + 2 * size // 5
    chosen = torch.tensor(visited)[torch.randint(len(visited), (near - pure,), generator=generator)]
    times[pure:near] = chosen + 0.02 * torch.randn(near - pure, generator=generator)
    times[:pure] = 1.0
    return times


def time_weights(times: Tensor) -> Tensor:
    """Loss weights that keep the last, nearly noise-free stretch from drowning what decides the picture."""
    return (times / min(FEW_STEP_TIMES)).clamp(max=1) ** 2


def token_weights(data: Tensor) -> Tensor:
    """Loss weights per token with mean one: tokens that differ from the corner's plain background count more."""
    plain = (data - data[:, :1]).abs().amax(-1) < 0.05
    weights = torch.where(plain, 1.0, OBJECT_WEIGHT)
    return weights / weights.mean()


@dataclass(frozen=True)
class NoisyData:
    """Packed latents mixed with noise, the times that say how much, and the loss weight of every token."""

    mixed: Tensor
    times: Tensor
    noise: Tensor
    weights: Tensor


def add_noise(data: Tensor, times: Tensor, generator: torch.Generator) -> NoisyData:
    """Data on the straight way to random noise, at the given times; the noise is the same on every device."""
    noise = torch.randn(data.shape, generator=generator).to(data.device)
    times = times.to(data.device)
    share = times[:, None, None]
    weights = time_weights(times)[:, None] * token_weights(data)
    return NoisyData(share * noise + (1 - share) * data, times, noise, weights)


def weighted_error(predicted: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """The mean squared error of velocities with a weight per token."""
    return (weights * ((predicted - wanted) ** 2).mean(-1)).mean()


def flow_loss(
    transformer: FluxTransformer2DModel,
    data: Tensor,
    conditioning: Conditioning,
    grid: Grid,
    generator: torch.Generator,
) -> Tensor:
    """The error of the predicted velocity at random times, weighted towards objects."""
    noisy = add_noise(data, sample_times(len(data), generator), generator)
    predicted = velocity(transformer, noisy.mixed, noisy.times, conditioning, grid)
    return weighted_error(predicted, noisy.noise - data, noisy.weights)


@torch.no_grad()
def euler_sample(
    transformer: FluxTransformer2DModel, noise: Tensor, conditioning: Conditioning, grid: Grid, *, steps: int
) -> Tensor:
    """Packed latents after `steps` Euler steps at equally spaced times from pure noise."""
    times = torch.linspace(1, 1 / steps, steps).tolist()
    latents = noise
    for time, following in zip(times, [*times[1:], 0.0], strict=True):
        predicted = velocity(transformer, latents, noise.new_full((len(noise),), time), conditioning, grid)
        latents = latents + (following - time) * predicted
    return latents
