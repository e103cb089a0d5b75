"""Pictures by everything that shapes them: the same key, the same bytes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Protocol

from app.cache.eviction import Entry, TenantShares
from app.cache.origin import Origin
from app.cache.weights import software, weights_fingerprint
from app.config import DarkroomSettings
from app.generation import Picture, PictureSpec

# The settings of a variant that change the bytes of its pictures; sizes and steps are in the spec.
_SHAPING = {
    "source", "family", "device", "threads", "dtype", "quantization", "determinism", "attention", "compile",
    "step_cache", "vae_tiling", "max_lora_rank",
}  # fmt: skip
_SPEC_FIELDS = tuple(field.name for field in fields(PictureSpec))


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
    shaping = {name: getattr(spec, name) for name in _SPEC_FIELDS}
    return _digest({"tenant": tenant, "revision": revision, "spec": shaping | numbers})


def model_revision(settings: DarkroomSettings, variant: str) -> str:
    """A name for the weights of a variant, for how it computes with them, and for the upscaler behind it.

    Weights that are not on this machine are known by their source alone.
    """
    drawing, upscaler = settings.variants.get(variant), settings.upscaler
    return _digest(
        {
            "variant": drawing.model_dump(mode="json", include=_SHAPING) if drawing is not None else None,
            "upscaler": upscaler.model_dump(mode="json", include={"source", "max_network_pixels"}),
            "weights": [weights_fingerprint(each.source) for each in (drawing, upscaler) if each is not None],
            "software": software(),
        }
    )


class ExactCache:
    """Pictures by key: those that come again and cost most to make, as many as there is room for.

    `max_entries` zero remembers nothing; `tenant_bytes` limits the files remembered for each tenant.
    """

    def __init__(self, *, blobs: Blobs, max_entries: int, tenant_bytes: int | None = None) -> None:
        self._blobs = blobs
        self._max_entries = max_entries
        self._shares = TenantShares(max_entries=max_entries, tenant_bytes=tenant_bytes)
        self._pictures: dict[str, Picture] = {}
        self._origins: dict[str, Origin] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def max_entries(self) -> int:
        """How many pictures are remembered at most."""
        return self._max_entries

    async def get(self, key: str) -> Picture | None:
        """The picture under the key; None when it is not known or its file is gone."""
        picture = self._pictures.get(key)
        if picture is None:
            return None
        if not await self._blobs.exists(picture.blob_key):
            self.discard(key)
            return None
        self._shares.touch(key)
        return picture

    def discard(self, key: str) -> None:
        """Remember the key no longer; unknown keys are ignored."""
        self._pictures.pop(key, None)
        self._origins.pop(key, None)
        self._shares.discard(key)

    def discard_matching(self, is_meant: Callable[[Origin, str], bool]) -> tuple[Picture, ...]:
        """Forget every picture of which that is said, by its origin and its file; returns them."""
        meant = self._meant(is_meant)
        for key in meant:
            self.discard(key)
        return tuple(meant.values())

    def matching(self, is_meant: Callable[[Origin, str], bool]) -> tuple[Picture, ...]:
        """Every picture of which that is said, by its origin and its file."""
        return tuple(self._meant(is_meant).values())

    def put(self, key: str, picture: Picture, *, tenant: str, origin: Origin | None = None) -> None:
        """Remember the tenant's picture, and where it came from; what saves least for its size gives way."""
        entry = Entry(key=key, tenant=tenant, byte_count=picture.byte_count, gpu_ms=picture.receipt.gpu_ms)
        self._pictures[key] = picture
        self._origins[key] = origin or Origin(tenant=tenant)
        for gone in self._shares.insert(entry):
            del self._pictures[gone], self._origins[gone]

    def _meant(self, is_meant: Callable[[Origin, str], bool]) -> dict[str, Picture]:
        return {key: made for key, made in self._pictures.items() if is_meant(self._origins[key], made.blob_key)}


def _digest(content: dict[str, object]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
