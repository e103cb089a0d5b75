"""Rectified flow as the FLUX pipeline runs it: noise times, velocity loss and Euler sampling."""

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
        txt_ids=torch.zeros(conditioning.tokens.shape[1], 3),
        img_ids=position_ids(grid.height, grid.width),
        return_dict=False,
    )[0]
    return predicted


def sample_times(size: int, generator: torch.Generator) -> Tensor:
    """Noise times: a fifth pure noise, two fifths near those of four-step sampling, the rest anywhere in between."""
    times = torch.sigmoid(1.2 * torch.randn(size, generator=generator) + 0.4)
    pure, near = size // 5, size // 5 + 2 * size // 5
    chosen = torch.tensor(FEW_STEP_TIMES)[torch.randint(len(FEW_STEP_TIMES), (near - pure,), generator=generator)]
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


def flow_loss(
    transformer: FluxTransformer2DModel,
    data: Tensor,
    conditioning: Conditioning,
    grid: Grid,
    generator: torch.Generator,
) -> Tensor:
    """The mean squared error of the predicted velocity at random times, weighted towards objects."""
    times = sample_times(len(data), generator)
    noise = torch.randn(data.shape, generator=generator)
    mix = times[:, None, None]
    predicted = velocity(transformer, mix * noise + (1 - mix) * data, times, conditioning, grid)
    errors = ((predicted - (noise - data)) ** 2).mean(-1)
    return (time_weights(times)[:, None] * token_weights(data) * errors).mean()


@torch.no_grad()
def euler_path(
    transformer: FluxTransformer2DModel, noise: Tensor, conditioning: Conditioning, grid: Grid, *, steps: int
) -> list[Tensor]:
    """Packed latents at every one of `steps` equally spaced times from pure noise, and at last the sample."""
    times = torch.linspace(1, 1 / steps, steps).tolist()
    path = [noise]
    for time, following in zip(times, [*times[1:], 0.0], strict=True):
        predicted = velocity(transformer, path[-1], torch.full((len(noise),), time), conditioning, grid)
        path.append(path[-1] + (following - time) * predicted)
    return path


def euler_sample(
    transformer: FluxTransformer2DModel, noise: Tensor, conditioning: Conditioning, grid: Grid, *, steps: int
) -> Tensor:
    """Packed latents after `steps` Euler steps from pure noise."""
    return euler_path(transformer, noise, conditioning, grid, steps=steps)[-1]
