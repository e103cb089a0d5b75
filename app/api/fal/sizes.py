"""Sizes as fal's clients write them: a preset's name, or width and height in pixels."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag

MIN_SIDE = 64
MAX_SIDE = 2048

CUSTOM = "custom"
PRESET = "preset"


class SizePreset(StrEnum):
    """fal's names for common sizes."""

    SQUARE_HD = "square_hd"
    SQUARE = "square"
    PORTRAIT_4_3 = "portrait_4_3"
    PORTRAIT_16_9 = "portrait_16_9"
    LANDSCAPE_4_3 = "landscape_4_3"
    LANDSCAPE_16_9 = "landscape_16_9"

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        return _PRESETS[self]


_PRESETS = {
    SizePreset.SQUARE_HD: (1024, 1024),
    SizePreset.SQUARE: (512, 512),
    SizePreset.PORTRAIT_4_3: (768, 1024),
    SizePreset.PORTRAIT_16_9: (576, 1024),
    SizePreset.LANDSCAPE_4_3: (1024, 768),
    SizePreset.LANDSCAPE_16_9: (1024, 576),
}


class ImageSize(BaseModel):
    """A size in pixels."""

    width: int = Field(default=512, ge=MIN_SIDE, le=MAX_SIDE, description="The width of the generated image.")
    height: int = Field(default=512, ge=MIN_SIDE, le=MAX_SIDE, description="The height of the generated image.")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def _form(value: Any) -> str:
    return PRESET if isinstance(value, str) else CUSTOM


RequestedSize = Annotated[Annotated[ImageSize, Tag(CUSTOM)] | Annotated[SizePreset, Tag(PRESET)], Discriminator(_form)]


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size nearest to this one within the limits, of equal aspect as far as they allow."""
    factor = min(1.0, MAX_SIDE / max(width, height))
    factor = max(factor, MIN_SIDE / min(width, height))
    return _clamped(width * factor), _clamped(height * factor)


def _clamped(side: float) -> int:
    return min(max(round(side), MIN_SIDE), MAX_SIDE)
