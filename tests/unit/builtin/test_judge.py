"""The judge tells pictures that show their prompt from those that nearly do."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from app.builtin.contrast import contrasts
from app.builtin.demand import KINDS, Demand, Thing
from app.builtin.grammar import phrase, sample_demand
from app.builtin.judge import Verdict, compare, judge, judge_demand, names_background
from app.builtin.perception import see
from app.builtin.render import ASPECTS, Pixels, PlacedThing, Scene, place, render

RED_CIRCLE, BLUE_SQUARE = Thing("red", "circle"), Thing("blue", "square")


def drawn(*objects: PlacedThing, background: str = "white") -> Pixels:
    """A 64 x 64 picture of the objects."""
    return render(Scene(64, 64, background, objects))


def verdict(picture: Pixels, prompt: str) -> Verdict:
    """The verdict for a prompt that lies inside the grammar."""
    found = judge(picture, prompt)
    assert found is not None
    return found


def jpeg(image: Image.Image) -> Image.Image:
    """The image after JPEG at quality 85."""
    encoded = BytesIO()
    image.save(encoded, "JPEG", quality=85)
    return Image.open(encoded).convert("RGB")


@pytest.mark.parametrize("shape", ASPECTS)
def test_drawn_scenes_are_right(shape: tuple[int, int]) -> None:
    """Every drawn scene is right for its own prompt, whatever its kind, wording and canvas."""
    rng = np.random.default_rng(1)
    demands = [sample_demand(rng, KINDS[index % len(KINDS)]) for index in range(220)]

    verdicts = [verdict(render(place(demand, rng, *shape)), phrase(demand, rng)) for demand in demands]

    assert [found.reason for found in verdicts if not found.right] == []


@pytest.mark.parametrize("shape", ASPECTS)
def test_near_misses_are_wrong(shape: tuple[int, int]) -> None:
    """No drawn scene is right for a demand that differs in one respect, and that respect's part is false."""
    rng = np.random.default_rng(2)
    tried = 0
    for _ in range(70):
        demand = sample_demand(rng)
        sighting = see(render(place(demand, rng, *shape)))
        for respect, other in contrasts(demand, rng).items():
            found = compare(sighting, other)
            part = {"colour": "colours", "shape": "shapes"}.get(respect, respect)
            assert (found.right, found.parts[part]) == (False, False), (demand, other)
            tried += 1

    assert tried > 200


@pytest.mark.parametrize(
    "degrade",
    [
        lambda image: image.filter(ImageFilter.GaussianBlur(1)),
        jpeg,
        lambda image: jpeg(image.resize((4 * image.width, 4 * image.height), Image.Resampling.BICUBIC)),
        lambda image: image.resize((1024, round(1024 * image.height / image.width)), Image.Resampling.LANCZOS),
    ],
    ids=["blurred", "jpeg", "enlarged 4 times", "enlarged to 1024"],
)
def test_degraded_scenes_are_judged_alike(degrade: Callable[[Image.Image], Image.Image]) -> None:
    """Blur, JPEG and enlargement change no verdict, neither of right nor of wrong pictures."""
    rng = np.random.default_rng(3)
    for index in range(20):
        demand = sample_demand(rng)
        sighting = see(np.asarray(degrade(Image.fromarray(render(place(demand, rng, *ASPECTS[index % 5]))))))
        assert compare(sighting, demand).right
        assert not any(compare(sighting, other).right for other in contrasts(demand, rng).values())


def test_a_prompt_outside_the_grammar_has_no_verdict() -> None:
    """The judge is silent about what it cannot know."""
    assert judge(drawn(), "an astronaut riding a horse") is None


@pytest.mark.parametrize("prompt", ["a red circle", "a red circle.", "two red circles", "a red circle at the top"])
def test_a_background_counts_only_when_named(prompt: str) -> None:
    """A prompt that names no background accepts any; one that names it does not."""
    assert not names_background(prompt)
    assert names_background(f"{prompt.rstrip('.')} on a white background")
    assert "background" not in verdict(drawn(), prompt).parts


def test_the_unnamed_background_may_be_any() -> None:
    """A red circle on teal shows 'a red circle', but no red circle on white."""
    picture = drawn(PlacedThing(RED_CIRCLE, 32, 32, 12), background="teal")

    assert verdict(picture, "a red circle").right
    assert verdict(picture, "a red circle on white").reason == "the background is teal, not white"


def test_swapped_colours_fail_by_their_binding_alone() -> None:
    """The right colours on the wrong shapes: only the binding is wrong, and the score says 'nearly'."""
    picture = drawn(PlacedThing(RED_CIRCLE, 16, 32, 10), PlacedThing(BLUE_SQUARE, 48, 32, 10))

    found = verdict(picture, "a blue circle and a red square")

    assert [part for part, met in found.parts.items() if not met] == ["binding"]
    assert found.score == 0.75


def test_a_missing_copy_costs_a_part_of_the_score() -> None:
    """Three circles of four score three quarters on every part that counts objects."""
    places = ((16, 16), (48, 16), (16, 48))
    picture = drawn(*(PlacedThing(RED_CIRCLE, x, y, 10) for x, y in places))

    found = verdict(picture, "four red circles")

    assert (found.right, found.score) == (False, 0.75)
    assert found.reason.startswith("objects: 3, not 4; colours: 3 red, not 4 red; ")


def test_an_empty_picture_is_wrong() -> None:
    """Nothing on the right background shows no object."""
    found = judge_demand(drawn(), Demand("relation", (RED_CIRCLE, BLUE_SQUARE), relation="above"))

    assert found.parts == {
        "count": False, "colours": False, "shapes": False, "binding": False, "relation": False, "background": True,
    }  # fmt: skip
    assert found.score == pytest.approx(1 / 6)


def test_touching_objects_of_two_colours_are_two() -> None:
    """Objects that touch are told apart by their colours."""
    picture = drawn(PlacedThing(RED_CIRCLE, 20, 32, 12), PlacedThing(BLUE_SQUARE, 42, 32, 12))

    assert verdict(picture, "a red circle to the left of a blue square").right


def test_specks_are_overlooked() -> None:
    """A few stray pixels are no object."""
    picture = drawn(PlacedThing(RED_CIRCLE, 32, 32, 12))
    picture[5:8, 5:8] = (30, 70, 225)

    assert verdict(picture, "a red circle").right


def test_a_formless_patch_has_no_clear_shape() -> None:
    """A long bar is none of the shapes, however near the best of them may be."""
    picture = drawn()
    picture[28:34, 4:60] = (220, 20, 35)

    found = verdict(picture, "a red square")

    assert found.parts == {"count": True, "colours": True, "shapes": False, "binding": False}
    assert "unclear shape" in found.reason


def test_a_diagonal_is_no_relation() -> None:
    """An object more above than left of another is not left of it."""
    picture = drawn(PlacedThing(RED_CIRCLE, 24, 14, 9), PlacedThing(BLUE_SQUARE, 40, 48, 9))

    assert not verdict(picture, "a red circle left of a blue square").right
    assert verdict(picture, "a red circle above a blue square").right


def test_objects_are_located_by_their_shape() -> None:
    """The centre found is that of the drawn shape to a fraction of a pixel, for a triangle too."""
    for shape in ("circle", "square", "triangle", "cross"):
        (found,) = see(drawn(PlacedThing(Thing("green", shape), 20.3, 41.6, 11))).objects

        assert (found.shape, 64 * found.x, 64 * found.y) == (
            shape,
            pytest.approx(20.3, abs=0.5),
            pytest.approx(41.6, abs=0.5),
        )
