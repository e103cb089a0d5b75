"""Brings pictures to the size that was asked for: a network first, exact resizing last."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from app.config import UpscalerSettings
from app.errors import ConfigurationError
from app.inference.loader import choose_device
from app.inference.pictures import Pixels, cover
from app.inference.sources import BUILTIN_WEIGHTS

_BUILTIN = "builtin:"
_SPANDREL_REACH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscalingNetwork:
    """A network that turns (1, 3, H, W) in [0, 1] into (1, 3, scale·H, scale·W).

    `reach` is how many input pixels away an output pixel may look; tiles overlap by it.
    """

    run: Callable[[torch.Tensor], torch.Tensor]
    scale: int
    reach: int


class Upscaler:
    """Enlarges pictures; deterministic, in memory that `tile` bounds. One thread at a time."""

    def __init__(
        self, network: UpscalingNetwork, *, max_network_pixels: int, device: str = "cpu", tile: int = 256
    ) -> None:
        self._network = network
        self._max_network_pixels = max_network_pixels
        self._device = device
        self._tile = tile

    def upscale(self, pixels: Pixels, *, width: int, height: int) -> Pixels:
        """The picture in exactly `width` by `height` pixels, undistorted: what the asked shape lacks is cropped evenly.

        The network runs while its output has at most `max_network_pixels` and is still
        wanted; resampling does the rest.
        """
        while self._should_enlarge(pixels, width, height):
            pixels = self._enlarge(pixels)
        return np.asarray(cover(Image.fromarray(pixels), width, height))

    def _should_enlarge(self, pixels: Pixels, width: int, height: int) -> bool:
        rows, columns = pixels.shape[:2]
        within_limit = rows * columns * self._network.scale**2 <= self._max_network_pixels
        return bool(within_limit and (columns < width or rows < height))

    @torch.inference_mode()
    def _enlarge(self, pixels: Pixels) -> Pixels:
        scale, (rows, columns) = self._network.scale, pixels.shape[:2]
        enlarged = np.empty((rows * scale, columns * scale, 3), np.uint8)
        for tile_rows, tile_columns in product(self._spans(rows), self._spans(columns)):
            window = pixels[tile_rows.window, tile_columns.window]
            drawn = self._run(window)[tile_rows.kept(scale), tile_columns.kept(scale)]
            enlarged[tile_rows.target(scale), tile_columns.target(scale)] = drawn
        return enlarged

    def _spans(self, length: int) -> list["_Span"]:
        reach = self._network.reach
        return [
            _Span(
                start, min(start + self._tile, length), max(start - reach, 0), min(start + self._tile + reach, length)
            )
            for start in range(0, length, self._tile)
        ]

    def _run(self, pixels: Pixels) -> Pixels:
        picture = torch.from_numpy(pixels.copy()).to(self._device)
        drawn = self._network.run(picture.permute(2, 0, 1)[None].float() / 255)
        rounded = (drawn[0].clamp(0, 1) * 255).round().to(torch.uint8)
        return rounded.permute(1, 2, 0).cpu().numpy()


@dataclass(frozen=True, slots=True)
class _Span:
    """One tile along one axis: it owns [start, stop) and sees [low, high)."""

    start: int
    stop: int
    low: int
    high: int

    @property
    def window(self) -> slice:
        return slice(self.low, self.high)

    def kept(self, scale: int) -> slice:
        return slice((self.start - self.low) * scale, (self.stop - self.low) * scale)

    def target(self, scale: int) -> slice:
        return slice(self.start * scale, self.stop * scale)


def build_upscaler(
    settings: UpscalerSettings, *, load_builtin: Callable[[Path], torch.nn.Module], weights: Path = BUILTIN_WEIGHTS
) -> Upscaler:
    """The configured upscaler; `load_builtin` reads the folder of a built-in network that doubles the size.

    Raises ConfigurationError that says what to do.
    """
    torch.set_num_threads(settings.threads)
    device = choose_device(settings.device)
    if settings.source.startswith(_BUILTIN):
        network = _builtin_network(weights / settings.source.removeprefix(_BUILTIN), load_builtin, device)
    else:
        network = _spandrel_network(Path(settings.source).expanduser(), device)
    return Upscaler(network, max_network_pixels=settings.max_network_pixels, device=device)


def _builtin_network(folder: Path, load_builtin: Callable[[Path], torch.nn.Module], device: str) -> UpscalingNetwork:
    if not folder.is_dir():
        raise ConfigurationError(
            f"there is no built-in upscaler {folder.name!r}; `darkroom train` makes builtin:upscaler"
        )
    module = load_builtin(folder).to(device).eval()
    return UpscalingNetwork(run=module, scale=2, reach=_reach(module))


def _reach(module: torch.nn.Module) -> int:
    convolutions = (part for part in module.modules() if isinstance(part, torch.nn.Conv2d))
    return sum(part.dilation[0] * (part.kernel_size[0] // 2) for part in convolutions)


def _spandrel_network(path: Path, device: str) -> UpscalingNetwork:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader
    except ImportError as error:
        raise ConfigurationError(
            f"upscaler {path} needs the extra: pip install 'darkroom[upscalers]', or set source: builtin:upscaler"
        ) from error
    if not path.is_file():
        raise ConfigurationError(f"upscaler file {path} does not exist; name a file, or set source: builtin:upscaler")
    model = ModelLoader(torch.device(device)).load_from_file(path)
    if not isinstance(model, ImageModelDescriptor) or model.input_channels != 3:
        raise ConfigurationError(f"{path} is no network that enlarges colour pictures; name one that does")
    return UpscalingNetwork(run=model.eval(), scale=model.scale, reach=_SPANDREL_REACH)
