"""What a consumer must know about the built-in model beyond its diffusers folder."""

from typing import Final

from app.builtin.render import ASPECTS

SEQUENCE_LENGTH: Final = 24
VAE_SCALE: Final = 4
PROMPT_SUFFIXES: Final[dict[tuple[int, int], str]] = {
    (64, 64): "",
    (64, 48): " fourthree",
    (48, 64): " threefour",
    (72, 40): " sixteennine",
    (40, 72): " ninesixteen",
}


def manifest(*, default_steps: int) -> dict[str, object]:
    """The content of `darkroom.json`: native sizes as width and height in pixels, and what to append to prompts."""
    return {
        "family": "flux",
        "max_sequence_length": SEQUENCE_LENGTH,
        "native_sizes": [list(shape) for shape in ASPECTS],
        "prompt_suffix": {f"{w}x{h}": suffix.strip() for (w, h), suffix in PROMPT_SUFFIXES.items() if suffix},
        "default_steps": default_steps,
    }
