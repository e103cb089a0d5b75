"""Input pictures: fetched, decoded within limits, and kept where every stage can read them."""

import asyncio
from dataclasses import dataclass

import numpy as np

from app.api.ports import Fetcher
from app.config import FetchSettings
from app.generation import ImageFormat
from app.inference.pictures import decode_picture, encode_picture
from app.storage.blobs import BlobStore
from app.storage.keys import content_key


@dataclass(frozen=True, slots=True)
class Source:
    """A stored input picture, in pixels."""

    blob_key: str
    width: int
    height: int


class SourcePictures:
    """Turns the URL of a picture into a stored PNG."""

    def __init__(self, *, fetcher: Fetcher, blobs: BlobStore, settings: FetchSettings) -> None:
        self._fetcher = fetcher
        self._blobs = blobs
        self._settings = settings

    async def load(self, url: str, *, own_base: str, salt: str = "") -> Source:
        """Fetch, decode and store the picture under a name with the salt in it.

        Raises InvalidInputError on `image_url`.
        """
        data = await self._fetcher.fetch(url, own_base=own_base)
        png, width, height = await asyncio.to_thread(self._normalised, data)
        key = content_key(png, ImageFormat.PNG.value, salt=salt)
        await self._blobs.put_new(key, png)
        return Source(key, width, height)

    def _normalised(self, data: bytes) -> tuple[bytes, int, int]:
        limits = self._settings
        picture = decode_picture(data, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
        return encode_picture(np.asarray(picture), ImageFormat.PNG), picture.width, picture.height
