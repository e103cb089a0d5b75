"""Where a picture begins, and which latents of its way are kept for others to begin on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StartingPoint:
    """After `step` steps of another picture's way; its latents there are the file `blob_key`."""

    blob_key: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsPlan:
    """Begin at `start`, or from noise without one and where it cannot be had; keep the latents after `kept_steps`."""

    start: StartingPoint | None = None
    kept_steps: tuple[int, ...] = ()


FROM_NOISE = LatentsPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLatents:
    """Latents after `step` steps of a picture's way, in the blob store."""

    step: int
    blob_key: str
    byte_count: int
