"""Small pictures of unfinished latents, of pipelines about whose latents little is known."""

import inspect
import math
from typing import Any

import numpy as np
import torch
from PIL import Image

from app.inference.pictures import Pixels
from app.inference.pipelines.autoencoding import as_pixels, decoded
from app.inference.pipelines.previews import PREVIEW_SIDE, reduced

_PACKED_LIKE_FLUX = ["latents", "height", "width", "vae_scale_factor"]


def thumbnail(picture: Image.Image) -> Pixels:
    """The picture, 256 pixels a side at most."""
    small = picture.copy()
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return np.asarray(small)


def shown(pipeline: Any, latents: torch.Tensor, *, width: int, height: int) -> Pixels:
    """What the latents of a picture of that size show: decoded where they fit the decoder, else as colours."""
    canvas = _unpacked(pipeline, latents, width, height)
    channels = canvas.shape[1] if canvas.dim() == 4 else None
    vae = getattr(pipeline, "vae", None)
    if channels is not None and vae is not None and channels == vae.config.get("latent_channels"):
        picture = as_pixels(decoded(vae, reduced(canvas, pipeline.vae_scale_factor)))
    elif channels == 3:
        picture = as_pixels(canvas)
    else:
        picture = _colours(canvas, width / height)
    return thumbnail(Image.fromarray(picture))


def _unpacked(pipeline: Any, latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
    unpack = getattr(pipeline, "_unpack_latents", None)
    if latents.dim() != 3 or unpack is None or list(inspect.signature(unpack).parameters) != _PACKED_LIKE_FLUX:
        return latents
    unpacked: torch.Tensor = unpack(latents, height, width, pipeline.vae_scale_factor)
    return unpacked


def _colours(latents: torch.Tensor, aspect: float) -> Pixels:
    """Three channels, each stretched over the range of bytes; tokens are laid out in rows of the picture's aspect."""
    values = latents[0].T if latents.dim() == 3 else latents[0].flatten(1)
    chosen = values[[channel % len(values) for channel in range(3)]].float()
    low, high = chosen.amin(1, keepdim=True), chosen.amax(1, keepdim=True)
    stretched = ((chosen - low) / (high - low).clamp(min=1e-6) * 255).round().to(torch.uint8)
    rows = _divisor_near(chosen.shape[1], math.sqrt(chosen.shape[1] / aspect))
    return np.asarray(stretched.reshape(3, rows, -1).permute(1, 2, 0).cpu().numpy())


def _divisor_near(number: int, wanted: float) -> int:
    divisors = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    return min(divisors, key=lambda divisor: abs(divisor - wanted))
