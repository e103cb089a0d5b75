"""The measures of likeness that tests and benchmarks use."""

import numpy as np
import pytest
from fidelity import psnr, ssim

PICTURE = np.random.default_rng(0).integers(0, 200, (24, 20, 3)).astype(np.uint8)


def test_equal_pictures_are_perfectly_alike() -> None:
    """A picture has no error against itself, and full structural similarity."""
    assert (psnr(PICTURE, PICTURE), ssim(PICTURE, PICTURE)) == (float("inf"), pytest.approx(1))


def test_psnr_of_a_known_error() -> None:
    """A uniform error is worth 20 log10(255 / error) dB, so ten times the error costs 20 dB."""
    assert psnr(PICTURE + 5, PICTURE) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(PICTURE + 50, PICTURE) == pytest.approx(psnr(PICTURE + 5, PICTURE) - 20)


def test_structure_counts_more_than_brightness() -> None:
    """At equal error a uniform shift keeps the structure that noise destroys."""
    noise = np.where(np.random.default_rng(1).random(PICTURE.shape) < 0.5, 0, 40).astype(np.uint8)

    assert ssim(PICTURE + 28, PICTURE) > 0.85 > ssim(PICTURE // 2 + noise, PICTURE)


def test_ssim_of_flat_pictures() -> None:
    """For two flat pictures only the luminance term of the definition is left."""
    low, high = (np.full((16, 16, 3), level, np.uint8) for level in (100, 150))

    expected = (2 * 100 * 150 + 2.55**2) / (100**2 + 150**2 + 2.55**2)
    assert ssim(low, high) == pytest.approx(expected)
