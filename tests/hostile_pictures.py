"""Builders of picture files that nobody should have to open."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BOMB_BYTES = 200_000_000
TEXT_BYTES = 50_000_000


def built(recipe: list[Any]) -> bytes:
    """The file that a recipe of the corpus makes: a builder's name, then its arguments."""
    return BUILDERS[recipe[0]](*recipe[1:])


def octets(digits: str) -> bytes:
    """Exactly these octets."""
    return bytes.fromhex(digits)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that says it has this size, with these chunks and hardly any pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0" * 16)) + chunk(b"IEND", b"")


def pixels(kind: str, width: int, height: int) -> bytes:
    """A small file that says it has this size."""
    match kind:
        case "png":
            return png(width, height)
        case "gif":
            return (
                b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0" * 6 + b"\x2c" + b"\0" * 9 + b"\x02"
            )
        case _:
            head = b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54)
            return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + b"\0" * 100


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(side: int = 64) -> Image.Image:
    """A picture that no format compresses away."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8))


def blank(kind: str, width: int, height: int) -> bytes:
    """A whole and valid picture of one colour."""
    return saved(Image.new("RGB", (width, height), "teal"), kind)


def bomb() -> bytes:
    """Pixels of a small picture, followed by as much again as nobody has memory for."""
    return png(64, 64, chunk(b"IDAT", zlib.compress(b"\0" * BOMB_BYTES, 9)))


def text_bomb(kind: str) -> bytes:
    """Words about a picture that unfold without an end."""
    packed = zlib.compress(b"a" * TEXT_BYTES, 9)
    between = b"\0\x01\0\0\0" if kind == "iTXt" else b"\0\0"
    return png(64, 64, chunk(kind.encode(), b"name" + between + packed))


def lying_chunk() -> bytes:
    """A chunk that says it goes on for two gigabytes."""
    return SIGNATURE + struct.pack(">I", 2**31 - 1) + b"IHDR" + b"\0" * 32


def many_chunks(count: int) -> bytes:
    """A picture between many chunks that mean nothing."""
    return png(64, 64, *[chunk(b"teSt", b"a")] * count)


def damaged(kind: str, at: int) -> bytes:
    """A picture with one octet turned over."""
    file = bytearray(saved(noise().quantize() if kind == "GIF" else noise(), kind))
    file[at] ^= 0xFF
    return bytes(file)


def cut(kind: str, share: float) -> bytes:
    """The first share of a picture."""
    file = saved(noise(), kind)
    return file[: int(len(file) * share)]


def animated(kind: str, frames: int) -> bytes:
    """A picture that moves."""
    pictures = [Image.new("RGB", (64, 64), (frame, 0, 0)) for frame in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:])


def exif(orientation: int) -> bytes:
    """A picture that says how it is turned."""
    description = Image.Exif()
    description[0x0112] = orientation
    return saved(noise(), "JPEG", exif=description)


def exif_octets(digits: str) -> bytes:
    """A picture with exactly this description."""
    return saved(noise(), "JPEG", exif=bytes.fromhex(digits))


def polyglot(digits: str) -> bytes:
    """A picture with something else behind it, that other programs find."""
    return saved(noise(), "JPEG", comment=bytes.fromhex(digits)) + bytes.fromhex(digits)


def mode(name: str) -> bytes:
    """A picture whose pixels are of another kind."""
    kind = "TIFF" if name == "CMYK" else "PNG"
    picture = noise().convert("L").convert("I").convert(name) if name == "I;16" else noise().convert(name)
    return saved(picture, kind)


BUILDERS: dict[str, Callable[..., bytes]] = {
    each.__name__: each
    for each in (
        octets,
        pixels,
        blank,
        bomb,
        text_bomb,
        lying_chunk,
        many_chunks,
        damaged,
        cut,
        animated,
        exif,
        exif_octets,
        polyglot,
        mode,
    )
}
