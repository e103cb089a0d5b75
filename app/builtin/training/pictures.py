"""Pictures to train picture-to-picture networks on: scenes far freer than the grammar's, and textures."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from app.builtin.demand import Thing
from app.builtin.grammar import sample_demand
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.render import Pixels, PlacedThing, Scene, place, render

TEXTURE_SHARE: Final = 0.2
_MOST_OBJECTS: Final = 5


def varied_picture(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A grammar scene, a free scene in palette or in any colours, or a texture."""
    kind = rng.random()
    if kind < TEXTURE_SHARE:
        return texture(rng, width, height)
    if kind < 0.5:
        return render(place(sample_demand(rng), rng, width, height))
    pixels = render(free_scene(rng, width, height))
    return pixels if kind < 0.75 else recoloured(pixels, rng)


def free_scene(rng: np.random.Generator, width: int, height: int) -> Scene:
    """Up to five objects of any radius anywhere on the canvas, overlapping or cut by its edges as they fall."""
    objects = tuple(
        PlacedThing(
            Thing(str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))),
            x=float(rng.uniform(0, width)),
            y=float(rng.uniform(0, height)),
            radius=float(rng.uniform(4, 18)),
        )
        for _ in range(int(rng.integers(1, _MOST_OBJECTS + 1)))
    )
    return Scene(width, height, str(rng.choice(list(BACKGROUNDS))), objects)


def recoloured(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture with its colour channels shuffled, each also stretched, shifted or inverted."""
    low, high = np.sort(rng.uniform(0, 255, (2, 3)), axis=0)
    ends = np.where(rng.random(3) < 0.5, (low, high), (high, low))
    shuffled = pixels[..., rng.permutation(3)].astype(np.float32) / 255
    return np.asarray(ends[0] + (ends[1] - ends[0]) * shuffled, np.uint8)


def texture(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Coloured noise whose octaves fade like those of natural pictures, with random contrast."""
    fade = rng.uniform(0.3, 0.9)
    total = torch.zeros(1, 3, height, width)
    for octave in range(min(width, height).bit_length() - 1):
        coarse = torch.from_numpy(rng.standard_normal((1, 3, 2 + 2**octave, 2 + 2**octave)).astype(np.float32))
        total += fade**octave * functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    mixed = torch.from_numpy(rng.normal(0, 0.5, (3, 3)).astype(np.float32) + np.eye(3, dtype=np.float32))
    pixels = torch.einsum("ij,jhw->hwi", mixed, total[0]) * float(rng.uniform(20, 60)) + float(rng.uniform(80, 176))
    return np.asarray(pixels.clamp(0, 255).byte().numpy())


def varied_batch(rng: np.random.Generator, size: int, shape: tuple[int, int]) -> Tensor:
    """Varied pictures of one width and height as a batch of images between -1 and 1."""
    pixels = np.stack([varied_picture(rng, *shape) for _ in range(size)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
