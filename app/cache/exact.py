"""Pictures by everything that shapes them: the same key, the same bytes."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import asdict
from typing import Protocol

from app.config import DarkroomSettings
from app.generation import Picture, PictureSpec

# The settings of a variant that change the bytes of its pictures; sizes and steps are in the spec.
_SHAPING = {
    "source", "family", "device", "threads", "dtype", "quantization", "determinism", "attention", "compile",
    "step_cache", "vae_tiling", "max_lora_rank",
}  # fmt: skip


class Blobs(Protocol):
    """The part of a blob store that the cache asks."""

    async def exists(self, key: str) -> bool:
        """Whether the file can be read now."""
        ...


def exact_key(spec: PictureSpec, *, tenant: str, revision: str) -> str:
    """The key of one picture for one tenant, made by one revision of the model; equal specs have equal keys."""
    numbers = {
        "guidance_scale": float(spec.guidance_scale),
        "strength": float(spec.strength),
        "loras": [asdict(lora) | {"scale": float(lora.scale)} for lora in spec.loras],
    }
    return _digest({"tenant": tenant, "revision": revision, "spec": asdict(spec) | numbers})


def model_revision(settings: DarkroomSettings, variant: str) -> str:
    """A name for the weights of a variant, for how it computes with them, and for the upscaler behind it."""
    drawing = settings.variants.get(variant)
    return _digest(
        {
            "variant": drawing.model_dump(mode="json", include=_SHAPING) if drawing is not None else None,
            "upscaler": settings.upscaler.model_dump(mode="json", include={"source", "max_network_pixels"}),
        }
    )


class ExactCache:
    """The pictures used last, by exact key; `max_entries` zero remembers nothing."""

    def __init__(self, *, blobs: Blobs, max_entries: int) -> None:
        self._blobs = blobs
        self._max_entries = max_entries
        self._pictures: OrderedDict[str, Picture] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pictures)

    async def get(self, key: str) -> Picture | None:
        """The picture under the key; None when it is not known or its file is gone."""
        picture = self._pictures.get(key)
        if picture is None:
            return None
        if not await self._blobs.exists(picture.blob_key):
            self._pictures.pop(key, None)
            return None
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return picture

    def put(self, key: str, picture: Picture) -> None:
        """Remember the picture; the one used longest ago gives way."""
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        while len(self._pictures) > self._max_entries:
            self._pictures.popitem(last=False)


def _digest(content: dict[str, object]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
