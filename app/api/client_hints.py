"""What a client tells about its device (RFC 8942 and the responsive-image hints), and which picture suits it."""

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from app.api.acceptance import Acceptance
from app.generation import ImageFormat

ACCEPTED = "Sec-CH-Width, Sec-CH-DPR, Save-Data"
VARYING = "Accept, Sec-CH-Width, Sec-CH-DPR, Width, DPR, Save-Data"

# So that devices share files: a picture is made in at most so many widths, in pixels.
WIDTHS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
# The best compression first.
_BY_SIZE = (ImageFormat.AVIF, ImageFormat.WEBP, ImageFormat.JPEG, ImageFormat.PNG)
_NUMBER = re.compile(r"\d{1,5}(?:\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Suiting:
    """The picture that suits a client: `width` pixels wide at most, None for its own; `is_lean` costs quality."""

    image_format: ImageFormat
    width: int | None = None
    is_lean: bool = False


def suiting(headers: Mapping[str, str], stored: ImageFormat, *, can_encode: frozenset[ImageFormat]) -> Suiting:
    """What suits the client that sent the headers: the stored format at its own size unless it says otherwise."""
    saves = headers.get("save-data", "").strip().lower() == "on"
    ratio = _number(headers, "sec-ch-dpr", "dpr") or 1.0
    width = _number(headers, "sec-ch-width", "width")
    if width is not None and saves:
        width /= max(ratio, 1.0)
    image_format = preferred(Acceptance(headers), stored, can_encode=can_encode, saves=saves)
    return Suiting(image_format, None if width is None else _shared(width), is_lean=saves)


def preferred(
    acceptance: Acceptance, stored: ImageFormat, *, can_encode: frozenset[ImageFormat], saves: bool = False
) -> ImageFormat:
    """The stored format, unless the client would rather have another that can be written.

    Where it is to save data, one that is as welcome and smaller will do, if the client names it: a browser
    that says `image/*` may not be able to show everything.
    """
    own = acceptance.weight(stored.content_type)
    others = [each for each in _BY_SIZE if each in can_encode and acceptance.names(each.content_type)]
    best = max((acceptance.weight(each.content_type) for each in others), default=0.0)
    if best > own or (saves and best == own > 0.0):
        return next(each for each in others if acceptance.weight(each.content_type) == best)
    return stored


def _number(headers: Mapping[str, str], *names: str) -> float | None:
    found = next((headers[name].strip() for name in names if name in headers), "")
    value = float(found) if _NUMBER.fullmatch(found) else 0.0
    return value if value > 0.0 else None


def _shared(width: float) -> int | None:
    """The next of the widths that are made; None beyond the last."""
    place = bisect_left(WIDTHS, math.ceil(width))
    return WIDTHS[place] if place < len(WIDTHS) else None
