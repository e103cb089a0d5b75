"""Finished pictures as a client's device wants them: made on demand, once, never larger than they were drawn."""

import asyncio
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from app.api.acceptance import Acceptance
from app.api.client_hints import Suiting, preferred
from app.api.content_types import content_type_of
from app.generation import ImageFormat
from app.inference.pictures import can_encode, encode_picture
from app.storage.blobs import BlobStore
from app.storage.keys import derived_key

_JSON = "application/json"
LEAN_QUALITY = 60
ENCODABLE = frozenset(image_format for image_format in ImageFormat if can_encode(image_format))
_BY_EXTENSION = {image_format.value: image_format for image_format in ImageFormat}


def format_of(key: str) -> ImageFormat | None:
    """The format of a finished picture; None for any other file, which is given out as it is."""
    return None if "/" in key else _BY_EXTENSION.get(key.rpartition(".")[2])


class AdaptedPictures:
    """Makes one at a time, in a thread, so that calls for pictures cannot take the machine from those who draw."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._turn = asyncio.Lock()

    async def key(self, key: str, suiting: Suiting) -> str:
        """The key of the finished picture as it suits; its own where nothing would change. Raises NotFoundError."""
        stored = format_of(key)
        if stored is None or (suiting.image_format is stored and suiting.width is None):
            return key
        derived = derived_key(key, _name(suiting), suiting.image_format.value)
        if not await self._blobs.exists(derived):
            async with self._turn:
                if not await self._blobs.exists(derived):
                    made = await asyncio.to_thread(_adapted, await self._blobs.read(key), stored, suiting)
                    if made is None:
                        return key
                    await self._blobs.put(derived, made)
        return derived

    async def read(self, key: str, suiting: Suiting) -> tuple[bytes, str]:
        """The file as it suits, and its type; raises NotFoundError."""
        found = await self.key(key, suiting)
        return await self._blobs.read(found), content_type_of(found)


def picture_wanted(headers: Mapping[str, str], stored: ImageFormat) -> ImageFormat | None:
    """The format in which the client wants a picture as the answer; None for one that takes JSON as gladly."""
    acceptance = Acceptance(headers)
    wanted = preferred(acceptance, stored, can_encode=ENCODABLE)
    return wanted if acceptance.weight(wanted.content_type) > acceptance.weight(_JSON) else None


def _name(suiting: Suiting) -> str:
    quality = "lean" if suiting.is_lean else "usual"
    return f"{quality}-{suiting.width or 'own'}"


def _adapted(data: bytes, stored: ImageFormat, suiting: Suiting) -> bytes | None:
    """The file; None when it would be the stored one again."""
    with Image.open(io.BytesIO(data)) as image:
        width = min(image.width, suiting.width or image.width)
        if width == image.width and suiting.image_format is stored:
            return None
        height = max(1, round(image.height * width / image.width))
        picture = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    has_quality = suiting.is_lean and suiting.image_format.has_quality
    return encode_picture(np.asarray(picture), suiting.image_format, quality=LEAN_QUALITY if has_quality else None)
