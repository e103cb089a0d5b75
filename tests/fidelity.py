"""How alike two pictures are."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float64]

_LUMA = (0.299, 0.587, 0.114)
_REACH, _SIGMA = 5, 1.5


def psnr(picture: Pixels, reference: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all channels; infinite for equal pictures."""
    error = float(((picture.astype(np.float64) - reference) ** 2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def ssim(picture: Pixels, reference: Pixels) -> float:
    """Mean structural similarity of the luma planes (Wang et al. 2004), 1 for equal pictures."""
    x, y = picture @ np.asarray(_LUMA), reference @ np.asarray(_LUMA)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variances = _blurred(x * x) - mean_x**2 + _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    steady_mean, steady_variance = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + steady_mean) / (mean_x**2 + mean_y**2 + steady_mean)
    return float((luminance * (2 * covariance + steady_variance) / (variances + steady_variance)).mean())


def _blurred(plane: Plane) -> Plane:
    """The plane under an 11 x 11 Gaussian window, without its edges."""
    kernel = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SIGMA) ** 2)
    kernel /= kernel.sum()
    rows = sliding_window_view(plane, len(kernel), axis=0) @ kernel
    return np.asarray(sliding_window_view(rows, len(kernel), axis=1) @ kernel)
