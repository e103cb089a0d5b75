"""Turns drawn scenes into the exact latents that the autoencoder is pinned to, and back."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pixel_shuffle, pixel_unshuffle

from app.builtin.render import Scene, render
from app.builtin.training.architecture import LATENT_CHANNELS, LATENT_SCALE, LATENT_SHIFT


def images_of(scenes: list[Scene]) -> Tensor:
    """The drawn scenes as a batch of images between -1 and 1."""
    pixels = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def pinned_latents(images: Tensor) -> Tensor:
    """The autoencoder's target: the half-size image, its 2 x 2 neighbours folded into 12 channels."""
    return pixel_unshuffle(avg_pool2d(images, 2), 2)


def normalise(latents: Tensor) -> Tensor:
    """Raw latents in the units the denoiser works in."""
    return (latents - LATENT_SHIFT) * LATENT_SCALE


def denormalise(latents: Tensor) -> Tensor:
    """The denoiser's latents in the autoencoder's units."""
    return latents / LATENT_SCALE + LATENT_SHIFT


def half_size_images(latents: Tensor) -> Tensor:
    """The half-size images, between -1 and 1, that raw pinned latents hold."""
    return pixel_shuffle(latents, 2)


def pack(latents: Tensor) -> Tensor:
    """Latents as a sequence of tokens, each of 2 x 2 latent pixels, in the pipeline's order."""
    batch, channels, height, width = latents.shape
    grouped = latents.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return grouped.reshape(batch, height * width // 4, channels * 4)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """A sequence of tokens as latents of `height` x `width` latent pixels."""
    grouped = tokens.view(len(tokens), height // 2, width // 2, LATENT_CHANNELS, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return grouped.reshape(len(tokens), LATENT_CHANNELS, height, width)


def position_ids(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """The rotary position (0, row, column) of every image token of latents this high and wide."""
    axes = (torch.arange(height // 2, device=device), torch.arange(width // 2, device=device))
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(-1, 3).float()
