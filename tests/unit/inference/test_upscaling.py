"""Enlarging: exact sizes, no distortion, bounded work, and tiles that leave no trace."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from app.config import UpscalerSettings
from app.errors import ConfigurationError
from app.inference.upscaling import Upscaler, UpscalingNetwork, build_upscaler


def convolutions() -> nn.Module:
    """A tiny network that doubles the size, with two pixels of reach."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 12, 3, padding=1), nn.PixelShuffle(2))
    return nn.Sequential(*layers).requires_grad_(False)


class Spy:
    """A network that doubles by repetition and notes the size of what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Each pixel four times."""
        self.seen.append(tuple(batch.shape[2:]))
        return batch.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def upscaler_over(run: object, *, max_network_pixels: int = 10_000, reach: int = 2, tile: int = 256) -> Upscaler:
    """An upscaler with a network that doubles."""
    return Upscaler(UpscalingNetwork(run=run, scale=2, reach=reach), max_network_pixels=max_network_pixels, tile=tile)


def noise(rows: int, columns: int) -> np.ndarray:
    """Random pixels."""
    return np.random.default_rng(rows * 1000 + columns).integers(0, 256, (rows, columns, 3), np.uint8)


@given(*(st.integers(1, 40) for _ in range(2)), *(st.integers(1, 90) for _ in range(2)))
@settings(max_examples=40)
def test_the_asked_size_is_met_exactly(rows: int, columns: int, width: int, height: int) -> None:
    """Whatever comes in, larger or smaller and of any shape, exactly the asked pixels go out."""
    pixels = upscaler_over(Spy()).upscale(noise(rows, columns), width=width, height=height)
    assert (pixels.shape, pixels.dtype) == ((height, width, 3), np.uint8)


def test_a_picture_of_the_asked_size_is_left_alone() -> None:
    """Nothing to do means nothing done."""
    spy, pixels = Spy(), noise(8, 8)
    assert np.array_equal(upscaler_over(spy).upscale(pixels, width=8, height=8), pixels)
    assert spy.seen == []


def test_the_network_runs_while_more_is_wanted_and_allowed() -> None:
    """It stops once the target is covered, or before its output would exceed the limit."""
    wanted, limited = Spy(), Spy()
    upscaler_over(wanted).upscale(noise(10, 10), width=30, height=30)
    upscaler_over(limited, max_network_pixels=500).upscale(noise(10, 10), width=300, height=300)
    assert wanted.seen == [(10, 10), (20, 20)]
    assert limited.seen == [(10, 10)]


def test_another_shape_is_cropped_not_squeezed() -> None:
    """A circle stays a circle when the asked shape is narrower than the picture's."""
    canvas = np.zeros((48, 64, 3), np.uint8)
    rows, columns = np.ogrid[:48, :64]
    canvas[(rows - 23.5) ** 2 + (columns - 31.5) ** 2 < 12**2] = 255
    drawn = upscaler_over(Spy()).upscale(canvas, width=100, height=80)[..., 0] > 127
    tall, wide = (np.flatnonzero(drawn.any(axis=axis)).size for axis in (1, 0))
    assert abs(tall - wide) <= 2


@given(st.integers(1, 30), st.integers(1, 30), st.integers(4, 12))
@settings(max_examples=20)
def test_tiles_leave_no_trace(rows: int, columns: int, tile: int) -> None:
    """A tiled picture is the untiled one, within one level of rounding."""
    pixels, network = noise(rows, columns), convolutions()
    whole = upscaler_over(network).upscale(pixels, width=2 * columns, height=2 * rows)
    tiled = upscaler_over(network, tile=tile).upscale(pixels, width=2 * columns, height=2 * rows)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_no_tile_is_larger_than_promised() -> None:
    """Memory is bounded by the tile and its overlap on both sides."""
    spy = Spy()
    upscaler_over(spy, tile=10, reach=3).upscale(noise(35, 24), width=48, height=70)
    assert max(side for shape in spy.seen for side in shape) == 16
    assert len(spy.seen) == 12


def test_equal_pictures_give_equal_pixels() -> None:
    """Nothing about the upscaler is random, and it keeps nothing between pictures."""
    upscaler = upscaler_over(convolutions(), tile=8)
    first = upscaler.upscale(noise(20, 20), width=100, height=90)
    upscaler.upscale(noise(7, 9), width=50, height=50)
    assert np.array_equal(upscaler.upscale(noise(20, 20), width=100, height=90), first)


def test_a_built_in_network_is_read_by_the_loader_it_is_given(tmp_path: Path) -> None:
    """The factory hands over the folder and takes a network that doubles the size."""
    (tmp_path / "upscaler").mkdir()
    folders: list[Path] = []
    upscaler = build_upscaler(
        UpscalerSettings(), load_builtin=lambda folder: folders.append(folder) or convolutions(), weights=tmp_path
    )
    assert folders == [tmp_path / "upscaler"]
    assert upscaler.upscale(noise(8, 8), width=16, height=16).shape == (16, 16, 3)


@pytest.mark.skipif("spandrel" in sys.modules, reason="needs an installation without the extra")
@pytest.mark.parametrize(("source", "advice"), [("builtin:none", "darkroom train"), ("nets/x4.pth", "upscal")])
def test_an_upscaler_that_is_not_there_is_named(source: str, advice: str, tmp_path: Path) -> None:
    """A missing network, file or library stops the start and says what to do."""
    with pytest.raises(ConfigurationError, match=advice):
        build_upscaler(UpscalerSettings(source=source), load_builtin=lambda folder: convolutions(), weights=tmp_path)


def test_pillow_resizes_what_the_network_may_not() -> None:
    """Beyond the limit the picture is what plain resampling gives."""
    pixels = noise(20, 20)
    expected = np.asarray(Image.fromarray(pixels).resize((50, 50), Image.Resampling.BICUBIC))
    assert np.array_equal(upscaler_over(Spy(), max_network_pixels=1).upscale(pixels, width=50, height=50), expected)
