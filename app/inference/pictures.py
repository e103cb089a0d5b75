"""Pictures as files: deterministic encoding, and decoding that trusts nobody."""

import io
import math
import warnings
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from app.errors import FieldIssue, InvalidInputError
from app.generation import ImageFormat

Pixels = npt.NDArray[np.uint8]
"""A picture as height x width x 3 bytes of RGB."""

_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_JPEG_QUALITY = 95


def encode_picture(pixels: Pixels, image_format: ImageFormat, *, quality: int = _JPEG_QUALITY) -> bytes:
    """The file of a picture, PNG, or JPEG without chroma subsampling; equal pixels give equal bytes."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if image_format is ImageFormat.JPEG:
        image.save(buffer, "JPEG", quality=quality, subsampling="4:4:4")
    else:
        image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_picture(
    data: bytes, *, max_bytes: int, max_pixels: int, loc: Sequence[str | int] = ("body", "image_url")
) -> Image.Image:
    """A user's picture as upright RGB on white; its size is checked before any pixel is decoded.

    Raises InvalidInputError at `loc` when the file is too long, too large or no picture.
    """
    if len(data) > max_bytes:
        _refuse(loc, f"The file is larger than {max_bytes} bytes.", "file_too_large", max_size=max_bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, max_pixels, loc)
    except Image.DecompressionBombError:
        _refuse_size(loc, max_pixels)
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        _refuse(loc, "The file could not be read as a picture.", "image_load_error", cause=error)


def _decode(data: bytes, max_pixels: int, loc: Sequence[str | int]) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        if image.width * image.height > max_pixels:
            _refuse_size(loc, max_pixels)
        return _flatten(ImageOps.exif_transpose(image))


def _refuse_size(loc: Sequence[str | int], max_pixels: int) -> NoReturn:
    side = math.isqrt(max_pixels)
    message = f"The picture has more than {max_pixels} pixels."
    _refuse(loc, message, "image_too_large", max_width=side, max_height=side)


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def _refuse(
    loc: Sequence[str | int], message: str, issue_type: str, cause: Exception | None = None, **context: int
) -> NoReturn:
    raise InvalidInputError((FieldIssue(tuple(loc), message, issue_type, dict(context)),)) from cause


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled without distortion to fill `width` by `height` pixels, cropped around its centre."""
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
