"""How people change a prompt of the scene grammar from one request to the next."""

from dataclasses import replace

import numpy as np

from app.builtin.contrast import contrasts
from app.builtin.demand import CELLS, Demand, Thing
from app.builtin.grammar import phrase
from app.builtin.palette import BACKGROUNDS, COLOURS, DEFAULT_BACKGROUND, SHAPES

_WORDINGS_TRIED = 8


def with_other_words(demand: Demand, prompt: str, rng: np.random.Generator) -> str:
    """Another wording of the same demand; the same one when there seems to be no other."""
    wordings = (phrase(demand, rng) for _ in range(_WORDINGS_TRIED))
    return next((wording for wording in wordings if wording != prompt), prompt)


def with_another_detail(demand: Demand, rng: np.random.Generator) -> Demand:
    """The demand with one detail more, or one less: its background, its place, or a second thing."""
    options = _details(demand, rng)
    return options[int(rng.integers(len(options)))]


def with_another_attribute(demand: Demand, rng: np.random.Generator) -> Demand:
    """A near miss: another colour, shape, count, place or relation, or colours that changed their owners."""
    options = list(contrasts(demand, rng).values())
    return options[int(rng.integers(len(options)))]


def _details(demand: Demand, rng: np.random.Generator) -> list[Demand]:
    grounds = [ground for ground in BACKGROUNDS if ground != DEFAULT_BACKGROUND]
    plain = demand.background == DEFAULT_BACKGROUND
    ground = grounds[int(rng.integers(len(grounds)))] if plain else DEFAULT_BACKGROUND
    options = [replace(demand, background=ground)]
    if demand.kind == "one":
        cell = tuple(CELLS)[int(rng.integers(len(CELLS)))]
        options += [replace(demand, kind="position", cell=cell), _with_second(demand, rng)]
    elif demand.kind != "count":
        options.append(replace(demand, kind="one", things=demand.things[:1], cell=None, relation=None))
    return options


def _with_second(demand: Demand, rng: np.random.Generator) -> Demand:
    others = [
        Thing(colour, shape) for colour in COLOURS for shape in SHAPES if Thing(colour, shape) not in demand.things
    ]
    return replace(demand, kind="and", things=(*demand.things, others[int(rng.integers(len(others)))]))
