"""Finds the background and the objects of a picture: numpy alone, and the same answer every time."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.render import ASPECTS, Field, Pixels, distance

Labels: TypeAlias = NDArray[np.int32]

FOREGROUND_DISTANCE: Final = 50.0
SMALLEST_AREA: Final = 16.0
_NAMES: Final = (*COLOURS, *BACKGROUNDS)
_PALETTE: Final = np.asarray([*COLOURS.values(), *BACKGROUNDS.values()], np.float32)
_GROWTH_ROUNDS: Final = 3
_SHIFTS: Final = np.asarray((-0.6, 0.0, 0.6), np.float32)
_SCALES: Final = (0.94, 1.0, 1.06)

# The area of each shape of radius one, and how far its centre lies above its centre of mass.
_AREAS: Final = {"circle": np.pi, "square": 1.76**2, "triangle": 1.8, "cross": 2.72 - 0.68**2}
_RISES: Final = {"circle": 0.0, "square": 0.0, "triangle": 0.3, "cross": 0.0}


@dataclass(frozen=True)
class SeenObject:
    """An object as found: its nearest colour and shape, how well that shape fits (0 to 1), centre and area.

    The centre is that of the fitted shape, in shares of the picture's width and height; the area is in
    pixels of the native size.
    """

    colour: str
    shape: str
    fit: float
    x: float
    y: float
    area: float


@dataclass(frozen=True)
class Sighting:
    """What a picture shows: its nearest background colour and its objects, the largest first."""

    background: str
    objects: tuple[SeenObject, ...]


def see(picture: Pixels) -> Sighting:
    """What an RGB picture (height, width, 3) of any size shows."""
    pixels = native(picture).astype(np.float32)
    background = _border_colour(pixels)
    name = _nearest_background(background)
    owners, colours = _regions(pixels, background, name)
    found = (_recognise(pixels, background, owners == label, colour) for label, colour in colours.items())
    objects = [seen for seen in found if seen.area >= SMALLEST_AREA]
    return Sighting(name, tuple(sorted(objects, key=lambda seen: -seen.area)))


def native(picture: Pixels) -> Pixels:
    """The picture reduced by area averaging to the native size nearest to its proportions."""
    height, width = picture.shape[:2]
    size = min(ASPECTS, key=lambda aspect: abs(np.log(width / height * aspect[1] / aspect[0])))
    if (width, height) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _nearest_background(colour: Field) -> str:
    known = np.asarray(list(BACKGROUNDS.values()), np.float32)
    return tuple(BACKGROUNDS)[int(((known - colour) ** 2).sum(-1).argmin())]


def _border_colour(pixels: Field) -> Field:
    edges = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    return np.asarray(np.median(np.concatenate(edges), axis=0), np.float32)


def _regions(pixels: Field, background: Field, background_name: str) -> tuple[Labels, dict[int, str]]:
    """A label per pixel (0: no object) and each label's colour name.

    Regions grow from cores, pixels whose 3 x 3 neighbourhood has one nearest colour, so the mixed colours
    of an outline make no region of their own, and touching objects of different colours stay apart.
    """
    foreground = ((pixels - background) ** 2).sum(-1) > FOREGROUND_DISTANCE**2
    names = ((_PALETTE**2).sum(-1) - 2 * pixels @ _PALETTE.T).argmin(-1)
    names = np.where(foreground & (names != _NAMES.index(background_name)), names + 1, 0).astype(np.int32)
    uniform = _around(names, np.minimum) == _around(names, np.maximum)
    owners = _connected(np.where(uniform, names, 0))
    colours = {int(label): _NAMES[names.flat[label - 1] - 1] for label in np.unique(owners[owners > 0])}
    for _ in range(_GROWTH_ROUNDS):
        owners = np.where((owners == 0) & foreground, _around(owners, np.maximum), owners)
    return owners, colours


def _around(values: Labels, pick: np.ufunc) -> Labels:
    """The smallest or largest value, as `pick` chooses, of each 3 x 3 neighbourhood."""
    padded = np.pad(values, 1, mode="edge")
    rows = pick(pick(padded[:-2], padded[1:-1]), padded[2:])
    chosen: Labels = pick(pick(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return chosen


def _connected(names: Labels) -> Labels:
    """One label per four-connected area of equal names: the largest flat index in it, plus one."""
    labels = np.where(names > 0, np.arange(1, names.size + 1).reshape(names.shape), 0).astype(np.int32)
    across, down = names[:, 1:] == names[:, :-1], names[1:] == names[:-1]
    while True:
        before = labels.copy()
        for left, right, joined in ((labels[:, :-1], labels[:, 1:], across), (labels[:-1], labels[1:], down)):
            larger = np.where(joined, np.maximum(left, right), 0)
            np.maximum(left, larger, out=left)
            np.maximum(right, larger, out=right)
        labels = np.where(labels > 0, labels.flat[labels - 1], 0)
        if np.array_equal(before, labels):
            return labels


def _recognise(pixels: Field, background: Field, region: NDArray[np.bool_], colour: str) -> SeenObject:
    rows, columns = np.nonzero(region)
    top, left = max(0, rows.min() - 3), max(0, columns.min() - 3)
    patch = np.s_[top : rows.max() + 4, left : columns.max() + 4]
    coverage = _coverage(pixels[patch], background, region[patch])
    area = float(coverage.sum())
    dy, dx = np.arange(coverage.shape[0], dtype=np.float32) + 0.5, np.arange(coverage.shape[1], dtype=np.float32) + 0.5
    x, y = float(coverage.sum(0) @ dx) / area, float(coverage.sum(1) @ dy) / area
    fits = {shape: _best_fit(shape, coverage, x, y) for shape in SHAPES}
    shape = max(fits, key=lambda name: fits[name])
    height, width = region.shape
    y -= _RISES[shape] * _radius(shape, area)
    return SeenObject(colour, shape, fits[shape], (left + x) / width, (top + y) / height, area)


def _radius(shape: str, area: float) -> float:
    return float((area / _AREAS[shape]) ** 0.5)


def _coverage(pixels: Field, background: Field, region: NDArray[np.bool_]) -> Field:
    """How much of each pixel the object covers: its place between the background and the object's colour."""
    contrast = np.median(pixels[region], axis=0) - background
    share = (pixels - background) @ contrast / (contrast @ contrast)
    return np.asarray(np.where(region, np.clip(share, 0, 1), 0), np.float32)


def _best_fit(shape: str, coverage: Field, x: float, y: float) -> float:
    """The largest intersection over union with the shape at a few radii and shifts around the centre of mass."""
    area = float(coverage.sum())
    radius = _radius(shape, area)
    dx = (np.arange(coverage.shape[1], dtype=np.float32) + 0.5 - x)[None, :] + _SHIFTS[:, None]
    dy = (np.arange(coverage.shape[0], dtype=np.float32) + 0.5 - y + _RISES[shape] * radius)[None, :] + _SHIFTS[:, None]
    best = 0.0
    for scale in _SCALES:
        template = np.clip(0.5 - distance(shape, dx[:, None, None, :], dy[None, :, :, None], radius * scale), 0, 1)
        shared = np.minimum(template, coverage).sum((-1, -2))
        union = template.sum((-1, -2)) + area - shared
        best = max(best, float((shared / union).max()))
    return best
