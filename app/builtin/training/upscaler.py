"""Trains the upscaler on scenes drawn at several sizes, on textures, and on its own enlargements."""

from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from app.builtin.grammar import sample_demand
from app.builtin.render import ASPECTS, Pixels, PlacedThing, Scene, place, render
from app.builtin.training.latents import pinned_latents
from app.builtin.training.pictures import TEXTURE_SHARE, free_scene, recoloured, texture
from app.builtin.training.regression import Regression, picture_loss, train
from app.builtin.training.stage import StageContext
from app.builtin.training.vae import perturbed
from app.builtin.upscaler import UpscalerNetwork, save_upscaler

EXPORT_FOLDER: Final = "export"
BATCH: Final = 8
WINDOW: Final = 32
_DECODED_SHARE: Final = 0.4
_NOISY_SHARE: Final = 0.3

Pyramid: TypeAlias = tuple[Tensor, Tensor, Tensor]


def window_of(scene: Scene, rng: np.random.Generator, side: int) -> Scene:
    """A square window onto a scene, somewhere across the outline of one of its objects."""
    chosen = scene.objects[int(rng.integers(len(scene.objects)))]
    left = chosen.x + rng.uniform(-1.2, 1.2) * chosen.radius - side / 2
    top = chosen.y + rng.uniform(-1.2, 1.2) * chosen.radius - side / 2
    objects = tuple(PlacedThing(each.thing, each.x - left, each.y - top, each.radius) for each in scene.objects)
    return Scene(side, side, scene.background, objects)


def pyramid(rng: np.random.Generator, scale: int) -> Pyramid:
    """One picture WINDOW pixels wide, twice and four times that; `scale` is the smallest one's against native size."""
    if rng.random() < TEXTURE_SHARE:
        large = _unit(texture(rng, 4 * WINDOW, 4 * WINDOW))
        return functional.avg_pool2d(large, 4), functional.avg_pool2d(large, 2), large
    shape = ASPECTS[int(rng.integers(len(ASPECTS)))]
    scene = place(sample_demand(rng), rng, *shape) if rng.random() < 0.6 else free_scene(rng, *shape)
    window = window_of(scene, rng, WINDOW // scale)
    sizes = [render(window, scale * factor) for factor in (1, 2, 4)]
    if rng.random() < 0.3:
        palette = int(rng.integers(2**32))
        sizes = [recoloured(pixels, np.random.default_rng(palette)) for pixels in sizes]
    small, middle, large = map(_unit, sizes)
    return small, middle, large


def _unit(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


class UpscalerLoss:
    """Error of the network on degraded pictures and, in a second pass, on a part of its own enlargements."""

    def __init__(self, network: UpscalerNetwork, vae: AutoencoderKL) -> None:
        self._network = network
        self._vae = vae

    def __call__(self, rng: np.random.Generator) -> Tensor:
        """The loss on a random batch."""
        scale = int(rng.choice((1, 1, 2, 4)))
        small, middle, large = map(torch.stack, zip(*(pyramid(rng, scale) for _ in range(BATCH)), strict=True))
        drawn = self._network(self._degraded(small, rng) if scale == 1 else small)
        row, column = map(int, rng.integers(0, WINDOW + 1, 2))
        source = drawn.detach().clamp(0, 1) if rng.random() < 0.7 else middle
        again = self._network(source[..., row : row + WINDOW, column : column + WINDOW])
        target = large[..., 2 * row : 2 * (row + WINDOW), 2 * column : 2 * (column + WINDOW)]
        return picture_loss(drawn, middle) + picture_loss(again, target)

    def _degraded(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """The pictures as the autoencoder draws them from imperfect latents, or with pixel noise, or untouched."""
        kind = rng.random()
        if kind < _DECODED_SHARE:
            with torch.no_grad():
                decoded = self._vae.decode(perturbed(pinned_latents(2 * pictures - 1), rng)).sample
            return torch.clamp((decoded + 1) / 2, 0, 1)
        if kind < _DECODED_SHARE + _NOISY_SHARE:
            noise = torch.from_numpy(rng.standard_normal(pictures.shape, dtype=np.float32))
            return (pictures + rng.uniform(0, 0.03) * noise).clamp(0, 1)
        return pictures


class UpscalerStage:
    """Trains the upscaler; the folder's `export` then holds it as `load_upscaler` reads it."""

    name = "upscaler"

    def __init__(self, vae_folder: Path) -> None:
        self._vae_folder = vae_folder

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        torch.manual_seed(context.seed)
        vae = AutoencoderKL.from_pretrained(self._vae_folder, torch_dtype=torch.float32).eval()
        network = UpscalerNetwork()
        train(Regression(self.name, network, UpscalerLoss(network, vae)), context)
        save_upscaler(network, context.folder / EXPORT_FOLDER)
