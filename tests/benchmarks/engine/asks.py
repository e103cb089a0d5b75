"""What is asked of every server: mixes of sizes and steps, and never the same picture twice by accident."""

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import NamedTuple

from app.builtin.grammar import AND_FORMS, BACKGROUND_FORMS, RELATION_FORMS
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES

NUMBERS_PER_STREAM = 2_000
_STRIDE = 7_919
_BLOCKS = 2


class Kind(NamedTuple):
    """What decides how long a picture takes: native pixels and denoising steps."""

    width: int
    height: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One picture to draw, as every server is asked for it."""

    prompt: str
    width: int
    height: int
    steps: int
    seed: int

    @property
    def kind(self) -> Kind:
        """Asks of one kind can be drawn as one batch by a server that batches whole requests."""
        return Kind(self.width, self.height, self.steps)

    def as_json(self) -> dict[str, str | int]:
        """The fields, by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Mix:
    """Kinds of pictures that are asked for in equal shares."""

    name: str
    kinds: tuple[Kind, ...]


UNIFORM = Mix("uniform", (Kind(64, 64, 4),))
MIXED_STEPS = Mix("mixed steps", tuple(Kind(64, 64, steps) for steps in (1, 2, 4, 8)))
# No side below 64 pixels, which is the least that fal's API lets a client ask for.
SHAPES_ASKED = ((64, 64), (80, 64), (64, 80), (96, 64), (64, 96))
MIXED_SHAPES = Mix("mixed shapes", tuple(Kind(width, height, 4) for width, height in SHAPES_ASKED))
EVERYTHING = Mix("everything", tuple(dict.fromkeys(MIXED_STEPS.kinds + MIXED_SHAPES.kinds)))

_THINGS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
_PAIRS = tuple(permutations(_THINGS, 2))
_RELATIONS = tuple(f"a {{a}} {words} a {{b}}" for forms in RELATION_FORMS.values() for words in forms)
_TOGETHER = tuple(dict.fromkeys(form.replace("{a}", "a {a}").replace("{b}", "a {b}") for form in AND_FORMS))
_BODIES = _RELATIONS + _TOGETHER
_GROUNDS = tuple(
    (form if form.startswith(",") else f" {form}").format(c=colour)
    for form in dict.fromkeys(BACKGROUND_FORMS)
    for colour in BACKGROUNDS
)
PROMPTS = len(_PAIRS) * len(_BODIES) * len(_GROUNDS)


def prompt_of(number: int) -> str:
    """A prompt of the grammar; the first `PROMPTS` numbers all have different ones."""
    rest, ground = divmod(number * _STRIDE % PROMPTS, len(_GROUNDS))
    pair, body = divmod(rest, len(_BODIES))
    first, second = _PAIRS[pair]
    return _BODIES[body].format(a=first, b=second) + _GROUNDS[ground]


def ask_of(number: int, kind: Kind) -> Ask:
    """The ask with this number: its own prompt and its own seed."""
    return Ask(prompt=prompt_of(number), width=kind.width, height=kind.height, steps=kind.steps, seed=number)


def stream(mix: Mix, number: int) -> Iterator[Ask]:
    """Stream `number` of asks, endless: the same for every server, and disjoint from all other streams."""
    chance = random.Random(number)
    first = number * NUMBERS_PER_STREAM
    while True:
        block = list(mix.kinds * _BLOCKS)
        chance.shuffle(block)
        for kind in block:
            yield ask_of(first, kind)
            first += 1
