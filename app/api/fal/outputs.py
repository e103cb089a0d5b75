"""The outputs of fal's endpoints, and how a finished generation becomes one."""

import hashlib
from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel, Field

from app.api.data_uri import encode_data_uri
from app.api.fal.endpoints import Endpoint, UpscalingEndpoint
from app.generation import Generation, Picture
from app.storage.blobs import BlobStore
from app.storage.expiry import Sweeper
from app.storage.keys import upload_key


class ImageFile(BaseModel):
    """One picture."""

    url: str = Field(description="Where the picture can be fetched without a key, or a data URI in sync mode.")
    width: int
    height: int
    content_type: str
    file_name: str
    file_size: int = Field(description="In bytes.")


class Timings(BaseModel):
    """Where the time went, in seconds."""

    inference: float


class DrawnOutput(BaseModel):
    """What FLUX endpoints answer."""

    images: list[ImageFile]
    timings: Timings
    seed: int
    has_nsfw_concepts: list[bool]
    prompt: str
    receipts: list[dict[str, Any]] = Field(description="How each picture was made and what it cost.")


class UpscaledOutput(BaseModel):
    """What upscalers answer."""

    image: ImageFile
    timings: Timings
    receipt: dict[str, Any] = Field(description="How the picture was made and what it cost.")


class RedrawnOutput(UpscaledOutput):
    """What upscalers that draw answer."""

    seed: int


class Answers:
    """Writes outputs; pictures are read only where they are asked for inline."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._sweeper = Sweeper(blobs)

    async def output(
        self, endpoint: Endpoint, generation: Generation, *, base_url: str, inline: bool
    ) -> dict[str, Any]:
        """The output of the endpoint, with URLs under `base_url` or with data URIs.

        Where its files are to be gone at some time, they are copies of their own.
        """
        pictures = [await self._lasting(generation, picture) for picture in generation.pictures]
        images = [await self._image(picture, base_url, inline) for picture in pictures]
        return output_model(endpoint).model_validate(_facts(generation, images)).model_dump(mode="json")

    async def raw(self, endpoint: Endpoint, generation: Generation) -> dict[str, Any]:
        """The output as realtime connections carry it: the files themselves, as bytes."""
        images = [
            {
                "content": await self._blobs.read(picture.blob_key),
                "content_type": picture.image_format.content_type,
                "width": picture.width,
                "height": picture.height,
            }
            for picture in generation.pictures
        ]
        return {"image": images[0]} if is_of_one(endpoint) else _seen(generation, images)

    async def _lasting(self, generation: Generation, picture: Picture) -> Picture:
        if generation.expires_s is None:
            return picture
        stem, _, extension = picture.blob_key.rpartition(".")
        token = hashlib.sha256(f"{stem} {generation.request_id}".encode()).hexdigest()[:40]
        key = upload_key(token, extension, expires_s=int(generation.expires_s))
        if not await self._blobs.exists(key):
            await self._sweeper.sweep()
            await self._blobs.put(key, await self._blobs.read(picture.blob_key))
        return replace(picture, blob_key=key)

    async def _image(self, picture: Picture, base_url: str, inline: bool) -> ImageFile:
        content_type = picture.image_format.content_type
        url = f"{base_url}/files/{picture.blob_key}"
        if inline:
            url = encode_data_uri(await self._blobs.read(picture.blob_key), content_type)
        return ImageFile(
            url=url,
            width=picture.width,
            height=picture.height,
            content_type=content_type,
            file_name=picture.blob_key.rpartition("/")[2],
            file_size=picture.byte_count,
        )


def _seen(generation: Generation, images: list[dict[str, Any]]) -> dict[str, Any]:
    return {"images": images, "seed": generation.seed, "timings": {"inference": generation.inference_s}}


def is_of_one(endpoint: Endpoint) -> bool:
    """Whether the endpoint answers one picture, as `image`, and not a list of them."""
    return isinstance(endpoint, UpscalingEndpoint) or endpoint.enlarges


def output_model(endpoint: Endpoint) -> type[BaseModel]:
    """What the endpoint answers."""
    if not is_of_one(endpoint):
        return DrawnOutput
    return UpscaledOutput if isinstance(endpoint, UpscalingEndpoint) else RedrawnOutput


def _facts(generation: Generation, images: list[ImageFile]) -> dict[str, Any]:
    """Everything that any output names."""
    receipts = [asdict(picture.receipt) for picture in generation.pictures]
    return {
        "images": images,
        "image": images[0],
        "timings": Timings(inference=generation.inference_s),
        "seed": generation.seed,
        "has_nsfw_concepts": [False for _ in images],
        "prompt": generation.prompt,
        "receipts": receipts,
        "receipt": receipts[0],
    }
