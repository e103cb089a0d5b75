"""The colours and shapes the built-in model knows, as 8-bit RGB values and names."""

from typing import Final, TypeAlias

Rgb: TypeAlias = tuple[int, int, int]

SHAPES: Final = ("circle", "square", "triangle", "cross")

COLOURS: Final[dict[str, Rgb]] = {
    "red": (220, 20, 35),
    "green": (70, 190, 40),
    "blue": (30, 70, 225),
    "yellow": (255, 228, 30),
    "purple": (135, 35, 170),
    "orange": (255, 128, 0),
}

BACKGROUNDS: Final[dict[str, Rgb]] = {
    "white": (255, 255, 255),
    "black": (15, 15, 15),
    "grey": (160, 160, 160),
    "pink": (255, 165, 205),
    "teal": (0, 115, 120),
}

DEFAULT_BACKGROUND: Final = "white"
