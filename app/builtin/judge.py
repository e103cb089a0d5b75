"""Decides whether a picture shows what a prompt of the scene grammar demands, and says why not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import hypot, sqrt
from typing import Final

from app.builtin.demand import CELLS, Cell, Demand, Relation, Thing
from app.builtin.grammar import normalise, parse
from app.builtin.perception import SeenObject, Sighting, see
from app.builtin.render import Pixels

LOWEST_FIT: Final = 0.7
UNCLEAR: Final = "unclear shape"
_DIRECTIONS: Final[dict[Relation, tuple[int, int]]] = {
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
_CENTRAL: Final = (1 / 3, 2 / 3)


@dataclass(frozen=True)
class Verdict:
    """Whether a picture is right, its score from 0 to 1, which parts of the demand it meets, and why not.

    `parts` has the keys count, colours, shapes and binding, and background, relation or cell where demanded.
    A picture is right when every part is. The score is graded: two of three colours count as two thirds.
    """

    right: bool
    score: float
    parts: Mapping[str, bool]
    reason: str


@dataclass(frozen=True)
class _Part:
    name: str
    grade: float
    complaint: str


def judge(picture: Pixels, prompt: str) -> Verdict | None:
    """The verdict on an RGB picture (height, width, 3) of any size, or None for a prompt outside the grammar.

    A prompt that names no background accepts any.
    """
    demand = parse(prompt)
    if demand is None:
        return None
    return judge_demand(picture, demand, any_background=not names_background(prompt))


def names_background(prompt: str) -> bool:
    """Whether a prompt of the grammar says what its background is."""
    return parse(f"{normalise(prompt)} on black") is None


def judge_demand(picture: Pixels, demand: Demand, *, any_background: bool = False) -> Verdict:
    """The verdict on an RGB picture (height, width, 3) of any size."""
    return compare(see(picture), demand, any_background=any_background)


def compare(sighting: Sighting, demand: Demand, *, any_background: bool = False) -> Verdict:
    """The verdict on what was seen in a picture."""
    parts = [*_object_parts(sighting.objects, demand), *_place_parts(sighting.objects, demand)]
    if not any_background:
        parts.append(_background_part(sighting, demand))
    return Verdict(
        right=all(part.grade == 1 for part in parts),
        score=sum(part.grade for part in parts) / len(parts),
        parts={part.name: part.grade == 1 for part in parts},
        reason="; ".join(part.complaint for part in parts if part.grade < 1) or "shows everything asked for",
    )


def _background_part(sighting: Sighting, demand: Demand) -> _Part:
    complaint = f"the background is {sighting.background}, not {demand.background}"
    return _Part("background", float(sighting.background == demand.background), complaint)


def _object_parts(found: tuple[SeenObject, ...], demand: Demand) -> list[_Part]:
    seen = [_thing(each) for each in found]
    wanted = demand.objects
    count = f"objects: {len(seen)}, not {len(wanted)}"
    return [
        _Part("count", min(len(seen), len(wanted)) / max(len(seen), len(wanted)), count),
        _compared("colours", [thing.colour for thing in seen], [thing.colour for thing in wanted]),
        _compared("shapes", [thing.shape for thing in seen], [thing.shape for thing in wanted]),
        _compared("binding", list(map(_words, seen)), list(map(_words, wanted))),
    ]


def _thing(seen: SeenObject) -> Thing:
    return Thing(seen.colour, seen.shape if seen.fit >= LOWEST_FIT else UNCLEAR)


def _words(thing: Thing) -> str:
    return f"{thing.colour} {thing.shape}"


def _compared(name: str, seen: list[str], wanted: list[str]) -> _Part:
    met = sum((Counter(seen) & Counter(wanted)).values())
    return _Part(name, met / max(len(seen), len(wanted)), f"{name}: {_listed(seen)}, not {_listed(wanted)}")


def _listed(words: Iterable[str]) -> str:
    counted = sorted(Counter(words).items())
    return " and ".join(f"{count} {word}" if count > 1 else word for word, count in counted) or "none"


def _place_parts(found: tuple[SeenObject, ...], demand: Demand) -> list[_Part]:
    if demand.relation is not None:
        first, second = (_find(found, thing) for thing in demand.things)
        met = first is not None and second is not None and _related(first, second, demand.relation)
        names = tuple(map(_words, demand.things))
        return [_Part("relation", float(met), f"no {names[0]} {demand.relation} a {names[1]}")]
    if demand.cell is not None:
        met = bool(found) and _in_cell(found[0], demand.cell)
        return [_Part("cell", float(met), f"no object stands at the {demand.cell}")]
    return []


def _find(found: tuple[SeenObject, ...], thing: Thing) -> SeenObject | None:
    return next((seen for seen in found if _thing(seen) == thing), None)


def _related(first: SeenObject, second: SeenObject, relation: Relation) -> bool:
    """Whether the way from the second to the first object points mostly in the relation's direction."""
    x, y = first.x - second.x, first.y - second.y
    along = x * _DIRECTIONS[relation][0] + y * _DIRECTIONS[relation][1]
    return along > sqrt(0.5) * hypot(x, y)


def _in_cell(seen: SeenObject, cell: Cell) -> bool:
    place = tuple(sum(share > bound for bound in _CENTRAL) for share in (seen.x, seen.y))
    return place == CELLS[cell]
