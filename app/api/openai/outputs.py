"""Answers and events in OpenAI's form."""

import base64
import io
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from app.api.openai.inputs import PicturesInput
from app.cache_levels import CacheLevel
from app.generation import Generation, GenerationRequest, ImageFormat, JobStep, Picture, job_id_of
from app.storage.blobs import BlobStore

# One token of a latent diffusion transformer covers 16 x 16 pixels.
_TOKEN_PIXELS = 256
_BACKGROUND = "opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call as its answer needs it: `kind` is image_generation or image_edit."""

    kind: str
    inputs: PicturesInput
    request: GenerationRequest
    base_url: str


class Answers:
    """Writes answers; pictures are read where they are part of one. Times are epoch seconds of `clock`."""

    def __init__(self, blobs: BlobStore, *, clock: Callable[[], float]) -> None:
        self._blobs = blobs
        self._clock = clock

    async def complete(self, asked: Asked, generation: Generation) -> dict[str, Any]:
        """The answer with all pictures, the seed of the first, and what each of them cost."""
        pictures = generation.pictures
        return {
            "created": int(self._clock()),
            "data": [await self._entry(asked, picture) for picture in pictures],
            **_described(asked, pictures[0].image_format, f"{pictures[0].width}x{pictures[0].height}"),
            "usage": usage(asked.request, pictures),
            "seed": generation.seed,
            "receipts": [asdict(picture.receipt) for picture in pictures],
        }

    async def completed(self, asked: Asked, picture: Picture) -> dict[str, Any]:
        """The event of a finished picture."""
        return {
            "type": f"{asked.kind}.completed",
            "b64_json": await self._base64(picture),
            "created_at": int(self._clock()),
            **_described(asked, picture.image_format, f"{picture.width}x{picture.height}"),
            "usage": usage(asked.request, (picture,)),
            "receipt": asdict(picture.receipt),
        }

    def partial(self, asked: Asked, preview: bytes, index: int) -> dict[str, Any]:
        """The event of a picture on the way: a small JPEG, described as such."""
        width, height = Image.open(io.BytesIO(preview)).size
        return {
            "type": f"{asked.kind}.partial_image",
            "b64_json": base64.b64encode(preview).decode("ascii"),
            "partial_image_index": index,
            "created_at": int(self._clock()),
            **_described(asked, ImageFormat.JPEG, f"{width}x{height}"),
        }

    async def _entry(self, asked: Asked, picture: Picture) -> dict[str, str]:
        if asked.inputs.response_format == "url":
            return {"url": f"{asked.base_url}/files/{picture.blob_key}"}
        return {"b64_json": await self._base64(picture)}

    async def _base64(self, picture: Picture) -> str:
        return base64.b64encode(await self._blobs.read(picture.blob_key)).decode("ascii")


class Partials:
    """Picks the partial images of a stream, as evenly spread over its steps as can be, of its first picture."""

    def __init__(self, request_id: str, count: int) -> None:
        self._job_id = job_id_of(request_id, 0)
        self._count = count
        self._sent = 0

    def next(self, step: JobStep) -> tuple[int, bytes] | None:
        """The index and the preview of the partial image that is due at this step."""
        if step.job_id != self._job_id or step.preview is None or self._sent == self._count:
            return None
        if step.step * (self._count + 1) < (self._sent + 1) * step.steps:
            return None
        self._sent += 1
        return self._sent - 1, step.preview


def usage(request: GenerationRequest, pictures: tuple[Picture, ...]) -> dict[str, Any]:
    """The tokens of the pictures that were drawn for this request, at the size at which the model drew them.

    A picture that was remembered or shared used none. Words count none: a prompt is padded to one length.
    """
    each = math.ceil(request.spec.native_width * request.spec.native_height / _TOKEN_PIXELS)
    drawn = each * sum(picture.receipt.cache is CacheLevel.NONE for picture in pictures)
    given = 0 if request.spec.source_key is None else drawn
    return {
        "input_tokens": given,
        "input_tokens_details": {"image_tokens": given, "text_tokens": 0},
        "output_tokens": drawn,
        "output_tokens_details": {"image_tokens": drawn, "text_tokens": 0},
        "total_tokens": given + drawn,
    }


def _described(asked: Asked, image_format: ImageFormat, size: str) -> dict[str, str]:
    identifier = asked.inputs.safety_identifier or asked.inputs.user
    return {
        "background": _BACKGROUND,
        "output_format": image_format.value,
        "quality": asked.inputs.quality,
        "size": size,
        **({"safety_identifier": identifier} if identifier else {}),
    }
