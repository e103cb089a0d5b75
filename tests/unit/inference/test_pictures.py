"""Encoding is deterministic, and decoding trusts nobody."""

import io
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from app.errors import FieldIssue, InvalidInputError
from app.generation import ImageFormat
from app.inference.pictures import can_encode, cover, decode_picture, encode_picture

LOSSLESS = [(ImageFormat.PNG, None), (ImageFormat.PNG, 1), (ImageFormat.WEBP, 100)]
LOSSY = [ImageFormat.JPEG, ImageFormat.WEBP, ImageFormat.AVIF]
NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def refusal(data: bytes, *, max_bytes: int = 1_000_000, max_pixels: int = 1_000_000) -> FieldIssue:
    """The one issue with which the file is refused."""
    with pytest.raises(InvalidInputError) as caught:
        decode_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    (issue,) = caught.value.issues
    return issue


@pytest.mark.parametrize("quality", [None, 1, 60, 100])
@pytest.mark.parametrize("image_format", ImageFormat)
def test_equal_pixels_give_equal_bytes(image_format: ImageFormat, quality: int | None) -> None:
    """No time stamp, order of memory or number of cores finds its way into a file."""
    file = encode_picture(NOISE, image_format, quality=quality)
    assert file == encode_picture(np.asfortranarray(NOISE), image_format, quality=quality)


@pytest.mark.parametrize(("image_format", "quality"), LOSSLESS)
def test_lossless_files(image_format: ImageFormat, quality: int | None) -> None:
    """What was encoded as a PNG, or as a WebP of the highest quality, is decoded bit for bit."""
    data = encode_picture(NOISE, image_format, quality=quality)
    assert np.array_equal(np.asarray(decode_picture(data, max_bytes=10_000, max_pixels=192)), NOISE)


@pytest.mark.parametrize("image_format", LOSSY)
def test_less_quality_makes_smaller_files(image_format: ImageFormat) -> None:
    """Quality trades bytes for fidelity, and without one the format's usual quality lies in between."""
    lengths = [len(encode_picture(NOISE, image_format, quality=quality)) for quality in (1, None, 100)]
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("image_format", ImageFormat)
def test_what_is_encoded_can_be_decoded(image_format: ImageFormat) -> None:
    """A file of every format we write is a picture that we read, with its content type in its first bytes."""
    data = encode_picture(NOISE, image_format)
    assert decode_picture(data, max_bytes=10_000, max_pixels=192).size == (16, 12)
    assert Image.open(io.BytesIO(data)).get_format_mimetype() == image_format.content_type


def test_a_codec_that_is_not_there() -> None:
    """Only the formats whose codecs are always there can be written without asking."""
    writable = {image_format for image_format in ImageFormat if can_encode(image_format, has_codec=lambda name: None)}
    assert writable == {ImageFormat.PNG, ImageFormat.JPEG}


def test_jpeg_keeps_full_colour_resolution() -> None:
    """Chroma is not subsampled, and quality is high enough that flat colours survive."""
    flat = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    image = Image.open(io.BytesIO(encode_picture(flat, ImageFormat.JPEG)))
    assert JpegImagePlugin.get_sampling(image) == 0
    assert np.abs(np.asarray(image).astype(int) - flat).max() <= 2


def test_a_picture_is_turned_upright() -> None:
    """The orientation that a camera noted is applied."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_of(Image.new("RGB", (10, 4)), "JPEG", exif=exif)
    assert decode_picture(data, max_bytes=10_000, max_pixels=40).size == (4, 10)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(mode: str) -> None:
    """Palettes, greys, alpha and print colours are all accepted."""
    kind = "TIFF" if mode in {"CMYK"} else "PNG"
    picture = decode_picture(file_of(Image.new(mode, (3, 2)), kind), max_bytes=10_000, max_pixels=6)
    assert (picture.mode, picture.size) == ("RGB", (3, 2))


def test_sixteen_bits_of_grey_become_eight() -> None:
    """A deep grey picture keeps its brightness."""
    picture = decode_picture(file_of(Image.new("I;16", (1, 1), 0x8000)), max_bytes=10_000, max_pixels=1)
    assert picture.getpixel((0, 0)) == (128, 128, 128)


def test_transparency_shows_white() -> None:
    """A fully transparent pixel becomes white whatever colour it hides; half transparency mixes."""
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    picture = decode_picture(file_of(image), max_bytes=10_000, max_pixels=2)
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (127, 127, 127)]


def test_a_long_file_is_refused() -> None:
    """The limit in bytes is told."""
    issue = refusal(bytes(11), max_bytes=10)
    assert (issue.loc, issue.issue_type, issue.context) == (("body", "image_url"), "file_too_large", {"max_size": 10})


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


@pytest.mark.parametrize("side", [1001, 65_535])
def test_a_huge_picture_is_refused_before_it_is_decoded(side: int) -> None:
    """A file that declares more pixels than allowed is refused by its header, even when no pixel follows."""
    size = (side).to_bytes(4, "big")
    issue = refusal(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + size + b"\x08\x02\x00\x00\x00") + chunk(b"IDAT", b""))
    assert issue.issue_type == "image_too_large"
    assert issue.context == {"max_width": 1000, "max_height": 1000}


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"GIF89a", file_of(Image.effect_noise((64, 64), 50))[:-900]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """Empty, foreign and cut-off files are load errors."""
    assert refusal(data).issue_type == "image_load_error"


@given(st.binary(max_size=200), st.integers(8, 200), st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]))
def test_damage_never_escapes_as_another_error(noise: bytes, at: int, kind: str) -> None:
    """However a file is damaged, it is decoded or refused as a field error."""
    data = file_of(Image.fromarray(NOISE), kind)
    damaged = data[:at] + noise + data[at + len(noise) :]
    with suppress(InvalidInputError):
        assert decode_picture(damaged, max_bytes=100_000, max_pixels=100_000).mode == "RGB"


def test_covering_crops_evenly_and_never_distorts() -> None:
    """A wider picture loses the same share on the left and on the right."""
    image = Image.new("RGB", (40, 10), "black")
    image.paste("white", (15, 0, 25, 10))
    covered = np.asarray(cover(image, 20, 20))
    assert covered.shape == (20, 20, 3)
    assert covered.mean() > 240
    assert np.array_equal(covered, covered[:, ::-1])
