"""What the text encoders learn to say about a scene, as plain numbers.

Prompts are padded without a mask, so the pad positions are free registers: the end token carries the
background and the count, and the k-th pad position after it describes the k-th object.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.builtin.demand import MOST_OBJECTS, Demand
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.render import LARGEST_RADIUS, layout

TOKEN_PIXELS: Final = 8
ROTARY_FREQUENCIES: Final = 10000.0 ** (-np.arange(3) / 7)
OBJECT_WIDTH: Final = 11 + 4 * len(ROTARY_FREQUENCIES)
SCENE_WIDTH: Final = 4
POOLED_OBJECTS: Final = 2
COLOUR: Final = slice(4, 7)
SHAPE: Final = slice(7, 11)


@dataclass(frozen=True)
class Description:
    """A scene as numbers: its background colour and count, and one row per possible object."""

    scene: NDArray[np.float32]
    objects: NDArray[np.float32]


def unit_colour(rgb: tuple[int, int, int]) -> NDArray[np.float32]:
    """An 8-bit colour in the range -1 to 1."""
    return np.asarray(rgb, np.float32) / 127.5 - 1


def describe(demand: Demand, width: int, height: int) -> Description:
    """The numbers of a demand drawn on a canvas of this size in pixels."""
    scene = np.append(unit_colour(BACKGROUNDS[demand.background]), len(demand.objects) - 2.0)
    objects = np.zeros((MOST_OBJECTS, OBJECT_WIDTH), np.float32)
    canonical = layout(demand, width, height)
    for row, thing, centre in zip(objects, demand.objects, canonical.centres, strict=False):
        row[0] = 1
        row[1:3] = np.divide(centre, 32) - 1
        row[3] = canonical.radius / LARGEST_RADIUS
        row[COLOUR] = unit_colour(COLOURS[thing.colour])
        row[SHAPE] = [name == thing.shape for name in SHAPES]
        row[11:] = _rotary(centre)
    return Description(scene.astype(np.float32), objects)


def _rotary(centre: tuple[float, float]) -> NDArray[np.float32]:
    angles = np.outer(np.divide(centre, TOKEN_PIXELS) - 0.5, ROTARY_FREQUENCIES).ravel()
    return np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)


def register_positions(token_ids: NDArray[np.int64], end_id: int) -> NDArray[np.int64]:
    """For each prompt the positions of its end token and of the object registers behind it."""
    ends: NDArray[np.int64] = np.argmax(token_ids == end_id, axis=1)
    positions: NDArray[np.int64] = ends[:, None] + np.arange(1 + MOST_OBJECTS)
    if positions.max() >= token_ids.shape[1]:
        raise ValueError("a prompt leaves no room for its object registers")
    return positions


def mentions(token_ids: NDArray[np.int64], naming_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each token the index of the object whose colour or shape it names, or -1."""
    names = np.isin(token_ids, naming_ids)
    return np.where(names, (np.cumsum(names, axis=1, dtype=np.int64) - 1) // 2, np.int64(-1))
