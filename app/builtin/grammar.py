"""The scene grammar: which prompts the built-in model understands, and what each demands.

It draws circles, squares, triangles and crosses in red, green, blue, yellow, purple or orange on a
white, black, grey, pink or teal background: one object, one object at a place of a 3 x 3 grid, two
objects with or without a spatial relation, or two to four copies of one object.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, TypeVar

import numpy as np

from app.builtin.demand import CELLS, KINDS, RELATIONS, Cell, Demand, Kind, Relation, Thing
from app.builtin.palette import BACKGROUNDS, COLOURS, DEFAULT_BACKGROUND, SHAPES

T = TypeVar("T")

NUMBERS: Final[dict[str, int]] = {"two": 2, "three": 3, "four": 4, "2": 2, "3": 3, "4": 4}
PLURALS: Final[dict[str, str]] = {shape: shape + ("es" if shape == "cross" else "s") for shape in SHAPES}

ONE_FORMS: Final = ("{a}", "{a}", "one {x}", "a picture of {a}", "a drawing of {a}", "there is {a}")
AND_FORMS: Final = (
    "{a} and {b}",
    "{a} and {b}",
    "{a} next to {b}",
    "{a} with {b}",
    "{a} beside {b}",
    "both {a} and {b}",
)
COUNT_FORMS: Final = ("{n} {s}", "{n} {s}", "a picture of {n} {s}", "there are {n} {s}", "a group of {n} {s}")
RELATION_FORMS: Final[dict[Relation, tuple[str, ...]]] = {
    "left of": ("left of", "to the left of", "on the left of", "sits to the left of", "is left of"),
    "right of": ("right of", "to the right of", "on the right of", "sits to the right of", "is right of"),
    "above": ("above", "on top of", "sits above", "is above"),
    "below": ("below", "under", "beneath", "sits below", "is below"),
}
BACKGROUND_FORMS: Final = (
    "on a {c} background",
    "on a {c} background",
    "on {c}",
    "over {c}",
    "against a {c} backdrop",
    "with a {c} background",
    ", {c} background",
)
OPENINGS: Final = (
    "a picture of ", "a drawing of ", "there is ", "there are ", "a group of ", "both ",
)  # fmt: skip

_SPELLINGS: Final = {"gray": "grey", "centre": "center", "middle": "center", "upper": "top", "lower": "bottom"}
_HELD_OUT_SHARE: Final = 10
_TERSE_SHARE: Final = 0.2
_RELATION_WORDS: Final = {form: relation for relation, forms in RELATION_FORMS.items() for form in forms}
_AND_WORDS: Final = ("and", "next to", "with", "beside")


def place_forms(cell: Cell) -> tuple[str, ...]:
    """The phrases that name a cell of the 3 x 3 grid."""
    if cell == "center":
        return ("in the center", "in the middle", "at the center", "in the centre")
    if " " in cell:
        upper = cell.replace("top", "upper").replace("bottom", "lower")
        return (f"in the {cell} corner", f"at the {cell}", f"in the {cell}", f"in the {upper} corner")
    if cell in ("left", "right"):
        return (f"on the {cell}", f"on the {cell} side", f"at the {cell}")
    return (f"at the {cell}", f"at the {cell} edge", f"near the {cell}")


def _alternatives(words: Sequence[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _normalise_words(text: str) -> str:
    return " ".join(_SPELLINGS.get(word, word) for word in text.split())


_PLACE_WORDS: Final = {_normalise_words(form): cell for cell in CELLS for form in place_forms(cell)}
_COLOUR: Final = f"({_alternatives(tuple(COLOURS))})"
_THING: Final = f"(?:(?:an?|one|the) )?{_COLOUR} ({_alternatives(SHAPES)})"
_BACKGROUND: Final = re.compile(
    f"(?:,| (?:on|over|against|with))(?: an?| the)? ({_alternatives(tuple(BACKGROUNDS))})(?: background| backdrop)?$"
)
_OPENING: Final = re.compile(f"^(?:{_alternatives(OPENINGS)})")
_SINGLE: Final = re.compile(f"^{_THING}(?: ({_alternatives(tuple(_PLACE_WORDS))}))?$")
_COUNTED: Final = re.compile(
    f"^({_alternatives(tuple(NUMBERS))}) {_COLOUR} ({_alternatives(tuple(PLURALS.values()))})$"
)
_PAIR: Final = re.compile(f"^{_THING} ({_alternatives((*_RELATION_WORDS, *_AND_WORDS))}) {_THING}$")


def normalise(prompt: str) -> str:
    """The prompt in lower case, with single spaces, one spelling and no closing full stop."""
    text = re.sub(r"\s*,\s*", " , ", prompt.lower().strip().rstrip(".! "))
    return _normalise_words(text).replace(" , ", ", ")


def parse(prompt: str) -> Demand | None:
    """What the prompt demands, or None when it lies outside the grammar."""
    text = normalise(prompt)
    background = DEFAULT_BACKGROUND
    if found := _BACKGROUND.search(text):
        background = found[1]
        text = text[: found.start()]
    text = _OPENING.sub("", text)
    return _parse_single(text, background) or _parse_counted(text, background) or _parse_pair(text, background)


def _parse_single(text: str, background: str) -> Demand | None:
    found = _SINGLE.match(text)
    if not found:
        return None
    thing = Thing(found[1], found[2])
    if found[3] is None:
        return Demand("one", (thing,), background)
    return Demand("position", (thing,), background, cell=_PLACE_WORDS[found[3]])


def _parse_counted(text: str, background: str) -> Demand | None:
    found = _COUNTED.match(text)
    if not found:
        return None
    shape = next(shape for shape, plural in PLURALS.items() if plural == found[3])
    return Demand("count", (Thing(found[2], shape),), background, count=NUMBERS[found[1]])


def _parse_pair(text: str, background: str) -> Demand | None:
    found = _PAIR.match(text)
    if not found:
        return None
    things = (Thing(found[1], found[2]), Thing(found[4], found[5]))
    if things[0] == things[1]:
        return None
    relation = _RELATION_WORDS.get(found[3])
    return Demand("relation" if relation else "and", things, background, relation=relation)


def _choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def sample_demand(rng: np.random.Generator, kind: Kind | None = None) -> Demand:
    """A random demand, of the given kind or of any."""
    chosen = kind if kind is not None else _choose(rng, KINDS)
    things = _sample_things(rng, 2 if chosen in ("relation", "and") else 1)
    return Demand(
        chosen,
        things,
        _choose(rng, tuple(BACKGROUNDS)),
        cell=_choose(rng, tuple(CELLS)) if chosen == "position" else None,
        relation=_choose(rng, RELATIONS) if chosen == "relation" else None,
        count=int(rng.integers(2, 5)) if chosen == "count" else 1,
    )


def _sample_things(rng: np.random.Generator, number: int) -> tuple[Thing, ...]:
    every = len(COLOURS) * len(SHAPES)
    drawn = rng.choice(every, size=number, replace=False)
    return tuple(Thing(tuple(COLOURS)[index // len(SHAPES)], SHAPES[index % len(SHAPES)]) for index in map(int, drawn))


def phrase(demand: Demand, rng: np.random.Generator) -> str:
    """One of the demand's wordings, some without articles; `parse` turns each of them back into the demand."""
    body = _phrase_objects(demand, rng)
    if rng.random() < _TERSE_SHARE:
        body = without_articles(body)
    if demand.background == DEFAULT_BACKGROUND and rng.random() < 0.6:
        return body
    background = _choose(rng, BACKGROUND_FORMS).format(c=demand.background)
    return body + background if background.startswith(",") else f"{body} {background}"


def _phrase_objects(demand: Demand, rng: np.random.Generator) -> str:
    first = demand.things[0]
    if demand.kind == "count":
        number = _choose(rng, [word for word, value in NUMBERS.items() if value == demand.count])
        return _choose(rng, COUNT_FORMS).format(n=number, s=f"{first.colour} {PLURALS[first.shape]}")
    if demand.cell is not None:
        return f"{_with_article(first)} {_choose(rng, place_forms(demand.cell))}"
    if demand.kind == "one":
        return _choose(rng, ONE_FORMS).format(a=_with_article(first), x=f"{first.colour} {first.shape}")
    second = _with_article(demand.things[1])
    if demand.relation is not None:
        return f"{_with_article(first)} {_choose(rng, RELATION_FORMS[demand.relation])} {second}"
    return _choose(rng, AND_FORMS).format(a=_with_article(first), b=second)


def _with_article(thing: Thing) -> str:
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return f"{article} {thing.colour} {thing.shape}"


def without_articles(prompt: str) -> str:
    """The prompt with its coloured objects named tersely: "red circle" for "a red circle"."""
    return re.sub(f"\\b(?:an?|one) (?={_COLOUR})", "", prompt)


def is_held_out(prompt: str) -> bool:
    """Whether the prompt belongs to the tenth that training never sees."""
    return sha256(normalise(prompt).encode()).digest()[0] % _HELD_OUT_SHARE == 0


def sample_prompt(rng: np.random.Generator, *, held_out: bool, kind: Kind | None = None) -> tuple[Demand, str]:
    """A random demand with a wording from the asked side of the hold-out split."""
    while True:
        demand = sample_demand(rng, kind)
        prompt = phrase(demand, rng)
        if is_held_out(prompt) == held_out:
            return demand, prompt
