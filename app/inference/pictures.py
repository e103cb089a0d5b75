"""Pictures as files: deterministic encoding, and decoding that trusts nobody."""

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, features

from app.errors import FieldIssue, GenerationFailedError, InvalidInputError
from app.generation import ImageFormat

Pixels = npt.NDArray[np.uint8]
"""A picture as height x width x 3 bytes of RGB."""

_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
_USUAL_QUALITY = {ImageFormat.JPEG: 95, ImageFormat.WEBP: 90, ImageFormat.AVIF: 80}
_WHOLE = 100
# Pillow is built without these codecs on some systems.
_OPTIONAL_CODECS = {ImageFormat.WEBP: "webp", ImageFormat.AVIF: "avif"}


def can_encode(image_format: ImageFormat, *, has_codec: Callable[[str], bool | None] = features.check) -> bool:
    """Whether this machine can write the format."""
    return image_format not in _OPTIONAL_CODECS or bool(has_codec(_OPTIONAL_CODECS[image_format]))


def encode_picture(pixels: Pixels, image_format: ImageFormat, *, quality: int | None = None) -> bytes:
    """The file of a picture; equal pixels, formats and qualities give equal bytes.

    `quality` goes from 1 to 100, None is the format's usual one. A PNG is lossless, and so is a WebP of quality 100;
    JPEG and AVIF keep the full resolution of colours. Raises GenerationFailedError for a format that cannot be had.
    """
    if not can_encode(image_format):
        raise GenerationFailedError(f"{image_format.name} cannot be written on this machine")
    buffer = io.BytesIO()
    asked = _USUAL_QUALITY.get(image_format, _WHOLE) if quality is None else quality
    Image.fromarray(pixels).save(buffer, image_format.name, **_options(image_format, asked))
    return buffer.getvalue()


def _options(image_format: ImageFormat, quality: int) -> dict[str, Any]:
    match image_format:
        case ImageFormat.PNG:
            return {"compress_level": 6}
        case ImageFormat.JPEG:
            return {"quality": quality, "subsampling": "4:4:4"}
        case ImageFormat.WEBP if quality == _WHOLE:
            return {"lossless": True, "quality": 50, "method": 2}
        case ImageFormat.WEBP:
            return {"quality": quality, "method": 4}
        case ImageFormat.AVIF:
            # One thread: with more, the encoder cuts the picture into other tiles, which are other bytes.
            return {"quality": quality, "subsampling": "4:4:4", "speed": 8, "codec": "aom", "max_threads": 1}


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
