"""A cheap stand-in for the judge: checks sampled latents against the canonical layout of their demand.

A sample counts as right when each object's canonical place holds the right colour and shape and the
rest is background; it needs no decoder, so training can watch its own progress.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from app.builtin.demand import Demand, Thing
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES, Rgb
from app.builtin.render import Field, distance, layout

MASK_DISTANCE: Final = 60.0
SHAPE_OVERLAP: Final = 0.6


@dataclass(frozen=True)
class Finding:
    """Which parts of a picture are as demanded."""

    background: bool
    colours: bool
    shapes: bool
    clean: bool

    @property
    def right(self) -> bool:
        """Whether everything is."""
        return self.background and self.colours and self.shapes and self.clean


def inspect(demand: Demand, half_size: Tensor) -> Finding:
    """Compare a half-size image between -1 and 1 with its demand."""
    pixels = ((half_size.permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255)
    height, width = 2 * pixels.shape[0], 2 * pixels.shape[1]
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = _nearest(np.median(border, axis=0), BACKGROUNDS)
    foreground = np.linalg.norm(pixels - BACKGROUNDS[background], axis=-1) > MASK_DISTANCE
    canonical = layout(demand, width, height)
    owners = _owners(canonical.centres, *foreground.shape)
    places = [foreground & (owners == index) for index in range(len(canonical.centres))]
    return Finding(
        background=background == demand.background,
        colours=all(_colour_right(thing, pixels[mask]) for thing, mask in zip(demand.objects, places, strict=True)),
        shapes=all(_shape_of(mask) == thing.shape for thing, mask in zip(demand.objects, places, strict=True)),
        clean=all(
            _near(mask, centre, canonical.radius) for mask, centre in zip(places, canonical.centres, strict=True)
        ),
    )


def _nearest(colour: NDArray[np.floating], palette: dict[str, Rgb]) -> str:
    return min(palette, key=lambda name: float(np.linalg.norm(colour - palette[name])))


def _grid(height: int, width: int) -> tuple[Field, Field]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32) * 2 + 1
    return rows, columns


def _owners(centres: tuple[tuple[float, float], ...], height: int, width: int) -> NDArray[np.int64]:
    rows, columns = _grid(height, width)
    nearest: NDArray[np.int64] = np.argmin([np.hypot(columns - x, rows - y) for x, y in centres], axis=0)
    return nearest


def _near(mask: NDArray[np.bool_], centre: tuple[float, float], radius: float) -> bool:
    if not mask.any():
        return False
    rows, columns = _grid(*mask.shape)
    offset = np.hypot(columns[mask].mean() - centre[0], rows[mask].mean() - centre[1])
    far = np.hypot(columns - centre[0], rows - centre[1]) > 1.5 * radius + 4
    return bool(offset < 7.5 and (mask & far).sum() < 4)


def _colour_right(thing: Thing, pixels: Field) -> bool:
    return bool(len(pixels)) and _nearest(np.median(pixels, axis=0), COLOURS) == thing.colour


def _shape_of(mask: NDArray[np.bool_]) -> str | None:
    if mask.sum() < 8:
        return None
    rows, columns = _grid(*mask.shape)
    x, y = columns[mask].mean(), rows[mask].mean()
    best, name = max(
        (_best_overlap(shape, mask, columns - np.float32(x), rows - np.float32(y)), shape) for shape in SHAPES
    )
    return name if best > SHAPE_OVERLAP else None


def _best_overlap(shape: str, mask: NDArray[np.bool_], dx: Field, dy: Field) -> float:
    sink = 0.3 if shape == "triangle" else 0.0
    return max(
        _overlap(distance(shape, dx, dy + np.float32(sink * radius), radius) < 0, mask) for radius in range(6, 15)
    )


def _overlap(template: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    return float((template & mask).sum() / max(1, (template | mask).sum()))


def shares(findings: list[Finding]) -> dict[str, float]:
    """The share of pictures right in each part and in all."""
    parts = ("right", "background", "colours", "shapes", "clean")
    return {part: sum(getattr(finding, part) for finding in findings) / len(findings) for part in parts}
