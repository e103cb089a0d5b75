"""From latents to pictures and back, as the latent diffusion pipelines of diffusers do it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from app.inference.pictures import Pixels


def decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """The picture of normalised latents, (1, 3, height, width) from -1 to 1.

    An autoencoder that overflows in float16, and says so, computes in float32.
    """
    with _in_float32(vae, needed=vae.dtype == torch.float16 and _overflows(vae)):
        picture: torch.Tensor = vae.decode(_denormalised(vae, latents.to(vae.dtype)), return_dict=False)[0]
    return picture


def encoded(vae: Any, picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normalised latents of a picture, in the picture's type; drawn with the generator where they are random."""
    with _in_float32(vae, needed=_overflows(vae)):
        latents = vae.encode(picture.to(vae.dtype)).latent_dist.sample(generator)
    # Convolutions may answer in another order of memory, in which networks add up differently beside other samples.
    return _normalised(vae, latents.to(picture.dtype)).contiguous()


def as_pixels(picture: torch.Tensor) -> Pixels:
    """A picture (1, 3, height, width) from -1 to 1 as bytes."""
    shares = (picture[0] * 0.5 + 0.5).clamp(0, 1)
    return np.asarray((shares.float() * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


@contextmanager
def _in_float32(vae: Any, *, needed: bool) -> Iterator[None]:
    dtype = vae.dtype
    if not needed or dtype == torch.float32:
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(dtype)


def _overflows(vae: Any) -> bool:
    return bool(vae.config.get("force_upcast"))


def _denormalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    config = vae.config
    scale, (mean, deviation) = config.get("scaling_factor") or 1.0, _statistics(vae, latents)
    if mean is not None and deviation is not None:
        return latents * deviation / scale + mean
    return latents / scale + (config.get("shift_factor") or 0.0)


def _normalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    config = vae.config
    scale, (mean, deviation) = config.get("scaling_factor") or 1.0, _statistics(vae, latents)
    if mean is not None and deviation is not None:
        return (latents - mean) * scale / deviation
    return scale * (latents - (config.get("shift_factor") or 0.0))


def _statistics(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The mean and standard deviation of each channel, where the autoencoder knows them."""

    def shaped(values: list[float] | None) -> torch.Tensor | None:
        return None if values is None else torch.tensor(values, device=latents.device, dtype=latents.dtype).view(shape)

    shape = (1, -1, *[1] * (latents.dim() - 2))
    return shaped(vae.config.get("latents_mean")), shaped(vae.config.get("latents_std"))
