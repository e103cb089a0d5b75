"""Small pictures of latents about which little is known."""

import numpy as np
import torch
from PIL import Image
from tiny_foreign import tiny_stable_diffusion

from app.inference.pipelines.autoencoding import as_pixels, decoded
from app.inference.pipelines.foreign.thumbnails import shown, thumbnail


def test_latents_that_fit_the_decoder_are_decoded() -> None:
    """They are shown as the picture that they are."""
    parts, latents = tiny_stable_diffusion(), torch.randn(1, 4, 12, 16, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(shown(parts, latents, width=32, height=24), as_pixels(decoded(parts.vae, latents)))


def test_pixels_are_shown_as_they_are() -> None:
    """Pipelines that draw without latents have the picture itself on its way."""
    picture = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 24, 32)
    assert (shown(object(), picture, width=32, height=24) == [0, 128, 255]).all()


def test_other_latents_are_shown_as_colours() -> None:
    """Tokens, frames and unlike channels are laid out in the picture's aspect, stretched over the range of bytes."""
    shapes = [(1, 48, 64), (1, 16, 1, 6, 8), (1, 2, 6, 8), (1, 1, 6, 8)]
    for shape in shapes:
        preview = shown(
            tiny_stable_diffusion(), torch.arange(torch.Size(shape).numel()).view(shape), width=32, height=24
        )
        assert (preview.shape, preview.min(), preview.max()) == ((6, 8, 3), 0, 255)


def test_latents_without_contrast_are_shown_too() -> None:
    """Nothing is divided by zero."""
    assert shown(object(), torch.ones(1, 48, 64), width=32, height=24).max() == 0


def test_large_pictures_are_made_small() -> None:
    """Neither side is longer than 256 pixels, and the shape stays."""
    assert thumbnail(Image.new("RGB", (1024, 512))).shape == (128, 256, 3)
