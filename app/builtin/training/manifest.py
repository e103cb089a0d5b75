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
    """The content of `darkroom.json`: shapes as width x height in pixels, and what to append to a prompt for each."""
    return {
        "family": "flux",
        "max_sequence_length": SEQUENCE_LENGTH,
        "default_steps": default_steps,
        "guidance_scale": 0.0,
        "vae_scale": VAE_SCALE,
        "native_shapes": [{"width": w, "height": h, "prompt_suffix": PROMPT_SUFFIXES[w, h]} for w, h in ASPECTS],
    }
