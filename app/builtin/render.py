"""Places a demand on a canvas and draws it with anti-aliased signed distance functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import hypot
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.builtin.demand import CELLS, Cell, Demand, Thing
from app.builtin.palette import BACKGROUNDS, COLOURS

Pixels: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float32]
Point: TypeAlias = tuple[float, float]

ASPECTS: Final[tuple[tuple[int, int], ...]] = ((64, 64), (64, 48), (48, 64), (72, 40), (40, 72))
LARGEST_RADIUS: Final = 13.0
FILL: Final = 0.82
_ELONGATED: Final = 1.5


@dataclass(frozen=True)
class PlacedThing:
    """An object on the canvas: its centre and radius in pixels of the native size."""

    thing: Thing
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A picture's full description: canvas size in pixels, background and placed objects."""

    width: int
    height: int
    background: str
    objects: tuple[PlacedThing, ...]


@dataclass(frozen=True)
class Layout:
    """Canonical centres of a demand's objects, their common radius, and the free room around each."""

    centres: tuple[Point, ...]
    radius: float
    slack: float


def layout(demand: Demand, width: int, height: int) -> Layout:
    """Where the demand's objects belong on a canvas of this size, before any jitter."""
    if demand.cell is not None:
        return _cell_layout(demand.cell, width, height)
    centres = tuple((x * width, y * height) for x, y in _fractions(demand, width, height))
    room = _room(centres, width, height)
    radius = min(LARGEST_RADIUS, FILL * room)
    return Layout(centres, radius, room - radius)


def _cell_layout(cell: Cell, width: int, height: int) -> Layout:
    radius = min(9.0, 0.2 * min(width, height))
    edge = radius + 2.5
    column, row = CELLS[cell]
    centre = ((edge, width / 2, width - edge)[column], (edge, height / 2, height - edge)[row])
    return Layout((centre,), radius, 2.5)


def _fractions(demand: Demand, width: int, height: int) -> Sequence[Point]:
    beside = ((0.25, 0.5), (0.75, 0.5))
    stacked = ((0.5, 0.25), (0.5, 0.75))
    match demand.relation:
        case "left of":
            return beside
        case "right of":
            return beside[::-1]
        case "above":
            return stacked
        case "below":
            return stacked[::-1]
    match len(demand.objects):
        case 1:
            return ((0.5, 0.5),)
        case 2:
            return stacked if height > width else beside
        case 3:
            return _three(width, height)
    return ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))


def _three(width: int, height: int) -> Sequence[Point]:
    if width > _ELONGATED * height:
        return ((1 / 6, 0.5), (0.5, 0.5), (5 / 6, 0.5))
    if height > _ELONGATED * width:
        return ((0.5, 1 / 6), (0.5, 0.5), (0.5, 5 / 6))
    return ((0.5, 0.25), (0.25, 0.75), (0.75, 0.75))


def _room(centres: Sequence[Point], width: int, height: int) -> float:
    edges = (min(x, y, width - x, height - y) for x, y in centres)
    halves = (hypot(a[0] - b[0], a[1] - b[1]) / 2 for a, b in combinations(centres, 2))
    return min((*edges, *halves))


def place(demand: Demand, rng: np.random.Generator, width: int, height: int) -> Scene:
    """A scene that shows the demand: its canonical layout with a little jitter, objects never touching."""
    canonical = layout(demand, width, height)
    shift = min(2.0, 0.45 * canonical.slack)
    growth = min(1.0, 0.3 * canonical.slack)
    jitter = rng.uniform(-1, 1, (len(canonical.centres), 3)) * (shift, shift, growth)
    objects = tuple(
        PlacedThing(thing, x + float(dx), y + float(dy), canonical.radius + float(dr))
        for thing, (x, y), (dx, dy, dr) in zip(demand.objects, canonical.centres, jitter, strict=True)
    )
    return Scene(width, height, demand.background, objects)


def distance(shape: str, dx: Field, dy: Field, radius: float) -> Field:
    """Signed distance in pixels from points at an offset to a shape's outline; negative inside."""
    match shape:
        case "circle":
            return np.asarray(np.hypot(dx, dy) - np.float32(radius))
        case "square":
            return _box(dx, dy, 0.88 * radius, 0.88 * radius)
        case "triangle":
            return _triangle(dx, dy, radius)
        case "cross":
            return np.minimum(_box(dx, dy, radius, 0.34 * radius), _box(dx, dy, 0.34 * radius, radius))
    raise ValueError(f"unknown shape {shape!r}")


def _box(dx: Field, dy: Field, half_width: float, half_height: float) -> Field:
    return np.maximum(np.abs(dx) - np.float32(half_width), np.abs(dy) - np.float32(half_height))


def _triangle(dx: Field, dy: Field, radius: float) -> Field:
    height = 1.8 * radius
    slope = hypot(radius, height)
    base = dy - np.float32(0.9 * radius)
    sides = (np.abs(dx) * np.float32(height) - (dy + np.float32(0.9 * radius)) * np.float32(radius)) / np.float32(slope)
    outside: Field = np.maximum(base, sides)
    return outside


def render(scene: Scene, scale: float = 1) -> Pixels:
    """The scene as 8-bit RGB pixels, drawn at `scale` times its native size."""
    height, width = round(scene.height * scale), round(scene.width * scale)
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = BACKGROUNDS[scene.background]
    for placed in scene.objects:
        _draw(canvas, placed, scale)
    return (canvas + 0.5).astype(np.uint8)


def _draw(canvas: Field, placed: PlacedThing, scale: float) -> None:
    centre_x, centre_y, radius = placed.x * scale, placed.y * scale, placed.radius * scale
    left, top = max(0, int(centre_x - radius - 1)), max(0, int(centre_y - radius - 1))
    patch = canvas[top : int(centre_y + radius + 2), left : int(centre_x + radius + 2)]
    dx = (np.arange(left, left + patch.shape[1], dtype=np.float32) + np.float32(0.5 - centre_x))[None, :]
    dy = (np.arange(top, top + patch.shape[0], dtype=np.float32) + np.float32(0.5 - centre_y))[:, None]
    coverage = np.clip(0.5 - distance(placed.thing.shape, dx, dy, radius), 0, 1)[..., None]
    patch += coverage * (np.asarray(COLOURS[placed.thing.colour], np.float32) - patch)
