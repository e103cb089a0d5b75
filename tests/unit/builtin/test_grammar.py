"""The grammar's prompts and what they demand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.builtin.demand import CELLS, KINDS, RELATIONS, Cell, Demand, Kind, Relation, Thing
from app.builtin.grammar import is_held_out, parse, phrase, place_forms, sample_demand, sample_prompt, without_articles
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES

seeds = st.integers(0, 2**32 - 1)
RED_CIRCLE, BLUE_SQUARE = Thing("red", "circle"), Thing("blue", "square")


@given(seed=seeds, kind=st.sampled_from(KINDS))
def test_parsing_undoes_phrasing(seed: int, kind: Kind) -> None:
    """Every wording of a demand is understood as that demand."""
    rng = np.random.default_rng(seed)
    demand = sample_demand(rng, kind)

    assert parse(phrase(demand, rng)) == demand


@given(seed=seeds, case=st.sampled_from((str.upper, str.title, str.lower)))
def test_letter_case_and_spaces_do_not_matter(seed: int, case: Callable[[str], str]) -> None:
    """A prompt means the same in capitals, with extra spaces and with a full stop."""
    rng = np.random.default_rng(seed)
    demand, prompt = sample_prompt(rng, held_out=False)
    spaced = "  " + case(prompt).replace(" ", "  ") + ". "

    assert parse(spaced) == demand
    assert is_held_out(spaced) == is_held_out(prompt)


@given(seed=seeds)
def test_objects_of_a_pair_differ(seed: int) -> None:
    """Two named objects may share colour or shape, never both."""
    demand = sample_demand(np.random.default_rng(seed), "and")

    assert demand.things[0] != demand.things[1]


@given(seed=seeds, held_out=st.booleans())
def test_the_hold_out_is_kept_apart(seed: int, held_out: bool) -> None:
    """Prompts are drawn from the asked side of the split only."""
    _, prompt = sample_prompt(np.random.default_rng(seed), held_out=held_out)

    assert is_held_out(prompt) == held_out


def test_a_tenth_of_the_prompts_is_held_out() -> None:
    """About every tenth prompt is never trained on."""
    rng = np.random.default_rng(0)
    prompts = {phrase(sample_demand(rng), rng) for _ in range(4000)}

    assert 0.08 < sum(map(is_held_out, prompts)) / len(prompts) < 0.13


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_keep_the_order_of_their_objects(relation: Relation) -> None:
    """The object named first is the one that stands left of, right of, above or below the other."""
    demand = parse(f"a red circle {relation} a blue square")

    assert demand == Demand("relation", (RED_CIRCLE, BLUE_SQUARE), relation=relation)


@pytest.mark.parametrize("cell", CELLS)
def test_every_place_has_several_wordings(cell: Cell) -> None:
    """Each phrase for a cell is understood as that cell."""
    for form in place_forms(cell):
        assert parse(f"a red circle {form}") == Demand("position", (RED_CIRCLE,), cell=cell)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_background_can_be_named(background: str) -> None:
    """A background is understood after any of its prepositions, and grey in both spellings."""
    name = "gray" if background == "grey" else background
    wanted = Demand("count", (BLUE_SQUARE,), background, count=3)

    for ending in (f"on a {name} background", f"over {name}", f"against a {background} backdrop"):
        assert parse(f"three blue squares {ending}") == wanted


def test_every_colour_and_shape_can_be_named() -> None:
    """All colours and shapes are understood, with the article their colour asks for."""
    for colour in COLOURS:
        for shape in SHAPES:
            assert parse(f"{'an' if colour == 'orange' else 'a'} {colour} {shape}") == Demand(
                "one", (Thing(colour, shape),)
            )


def test_articles_may_be_left_out() -> None:
    """Terse prompts demand what their full wordings do."""
    assert without_articles("a red circle above an orange cross") == "red circle above orange cross"
    assert parse("red circle") == parse("a red circle")
    assert parse("red circle left of blue square on black") == parse("a red circle left of a blue square on black")


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat",
        "",
        "a red",
        "red",
        "a red circle and a red circle",
        "five red circles",
        "a red circle on the moon",
        "a red circle on",
        "a red circle and a blue square and a green cross",
    ],
)
def test_other_prompts_are_outside_the_grammar(prompt: str) -> None:
    """A prompt the model was not trained for demands nothing."""
    assert parse(prompt) is None


def test_sampling_depends_on_the_seed_alone() -> None:
    """The same seed draws the same prompts."""
    first, second = (
        [sample_prompt(np.random.default_rng(3), held_out=False) for _ in range(3)],
        [sample_prompt(np.random.default_rng(3), held_out=False) for _ in range(3)],
    )

    assert first == second
