"""Placement and drawing of scenes."""

from itertools import combinations, product
from math import hypot

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.builtin.demand import CELLS, Cell, Demand, Thing
from app.builtin.grammar import sample_demand
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES
from app.builtin.render import ASPECTS, PlacedThing, Scene, layout, place, render

seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from(ASPECTS)


@given(seed=seeds, canvas=shapes)
def test_objects_lie_inside_and_never_touch(seed: int, canvas: tuple[int, int]) -> None:
    """Whatever the jitter, every object lies on the canvas and apart from the others."""
    rng = np.random.default_rng(seed)
    width, height = canvas
    scene = place(sample_demand(rng), rng, width, height)

    for each in scene.objects:
        assert min(each.x, each.y, width - each.x, height - each.y) > each.radius
    for one, other in combinations(scene.objects, 2):
        assert hypot(one.x - other.x, one.y - other.y) > one.radius + other.radius


@given(seed=seeds, canvas=shapes)
def test_a_scene_holds_the_demanded_objects(seed: int, canvas: tuple[int, int]) -> None:
    """A scene shows the demanded things, each copy of a counted one, on the demanded background."""
    rng = np.random.default_rng(seed)
    demand = sample_demand(rng)
    scene = place(demand, rng, *canvas)

    assert tuple(each.thing for each in scene.objects) == demand.objects
    assert scene.background == demand.background


@pytest.mark.parametrize(("canvas", "cell"), list(product(ASPECTS, CELLS)))
def test_a_placed_object_lies_in_its_cell(canvas: tuple[int, int], cell: Cell) -> None:
    """The centre of a placed object lies in the demanded third of each axis."""
    rng = np.random.default_rng(0)
    demand = Demand("position", (Thing("red", "circle"),), cell=cell)
    (placed,) = place(demand, rng, *canvas).objects

    assert (int(3 * placed.x / canvas[0]), int(3 * placed.y / canvas[1])) == CELLS[cell]


def test_tall_canvases_stack_pairs() -> None:
    """Two objects without a relation lie side by side, on a tall canvas one above the other."""
    demand = Demand("and", (Thing("red", "circle"), Thing("blue", "square")))
    (left, right), (upper, lower) = layout(demand, 64, 48).centres, layout(demand, 40, 72).centres

    assert left[0] < right[0]
    assert upper[1] < lower[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_colours_are_exact_inside_and_outside(shape: str) -> None:
    """The middle of an object has its colour to the bit, and the corner that of the background."""
    picture = render(Scene(48, 64, "teal", (PlacedThing(Thing("orange", shape), 24, 32, 12),)))

    assert picture.shape == (64, 48, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[32, 24]) == COLOURS["orange"]
    assert tuple(picture[0, 0]) == BACKGROUNDS["teal"]


@pytest.mark.parametrize("shape", SHAPES)
def test_larger_drawings_show_the_same_scene(shape: str) -> None:
    """A drawing at four times the size, averaged down, is the drawing at native size."""
    scene = Scene(64, 64, "white", (PlacedThing(Thing("blue", shape), 30.3, 33.7, 11.2),))
    large = render(scene, 4).astype(float).reshape(64, 4, 64, 4, 3).mean((1, 3))

    assert np.abs(large - render(scene)).mean() < 0.6


def test_colours_contrast() -> None:
    """Every object colour differs clearly from every other and from every background."""
    palette = list(COLOURS.values())
    pairs = [*combinations(palette, 2), *product(palette, BACKGROUNDS.values()), *combinations(BACKGROUNDS.values(), 2)]

    assert min(hypot(*np.subtract(one, other)) for one, other in pairs) > 90
