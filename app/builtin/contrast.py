"""Demands that differ from a given one in a single respect: the near misses that a judge must tell apart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from app.builtin.demand import CELLS, RELATIONS, Demand, Thing
from app.builtin.palette import BACKGROUNDS, COLOURS, SHAPES

T = TypeVar("T")
Respect: TypeAlias = Literal["background", "colour", "shape", "count", "binding", "relation", "cell"]


def contrasts(demand: Demand, rng: np.random.Generator) -> dict[Respect, Demand]:
    """One demand for each respect in which the given one can be altered alone."""
    return {respect: altered for respect, altered in _altered(demand, rng) if altered != demand}


def _altered(demand: Demand, rng: np.random.Generator) -> Iterator[tuple[Respect, Demand]]:
    first, *others = demand.things
    colours = [colour for colour in COLOURS if Thing(colour, first.shape) not in demand.things]
    shapes = [shape for shape in SHAPES if Thing(first.colour, shape) not in demand.things]
    yield "background", replace(demand, background=_other(rng, tuple(BACKGROUNDS), demand.background))
    yield "colour", replace(demand, things=(replace(first, colour=_choose(rng, colours)), *others))
    yield "shape", replace(demand, things=(replace(first, shape=_choose(rng, shapes)), *others))
    if demand.kind in ("one", "count"):
        yield "count", replace(demand, kind="count", count=_other(rng, (2, 3, 4), demand.count))
    for second in others:
        swapped = (replace(first, colour=second.colour), replace(second, colour=first.colour))
        if set(swapped) != set(demand.things):
            yield "binding", replace(demand, things=swapped)
    if demand.relation is not None:
        yield "relation", replace(demand, relation=_other(rng, RELATIONS, demand.relation))
    if demand.cell is not None:
        yield "cell", replace(demand, cell=_other(rng, tuple(CELLS), demand.cell))


def _choose(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _other(rng: np.random.Generator, options: Sequence[T], present: T) -> T:
    return _choose(rng, [option for option in options if option != present])
