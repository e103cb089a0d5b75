"""What a prompt demands of a picture, free of any wording or placement."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from app.builtin.palette import DEFAULT_BACKGROUND

Kind: TypeAlias = Literal["one", "position", "relation", "and", "count"]
Cell: TypeAlias = Literal[
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
]
Relation: TypeAlias = Literal["left of", "right of", "above", "below"]

KINDS: Final[tuple[Kind, ...]] = ("one", "position", "relation", "and", "count")
CELLS: Final[dict[Cell, tuple[int, int]]] = {
    "top left": (0, 0),
    "top": (1, 0),
    "top right": (2, 0),
    "left": (0, 1),
    "center": (1, 1),
    "right": (2, 1),
    "bottom left": (0, 2),
    "bottom": (1, 2),
    "bottom right": (2, 2),
}
RELATIONS: Final[tuple[Relation, ...]] = ("left of", "right of", "above", "below")
MOST_OBJECTS: Final = 4


@dataclass(frozen=True)
class Thing:
    """One kind of object: a colour and a shape."""

    colour: str
    shape: str


@dataclass(frozen=True)
class Demand:
    """What a picture must show: its background, its objects and how they are arranged.

    `things` holds the objects in the order they are named: two for the kinds `relation` and `and`,
    else one. `count` says how often a single thing appears.
    """

    kind: Kind
    things: tuple[Thing, ...]
    background: str = DEFAULT_BACKGROUND
    cell: Cell | None = None
    relation: Relation | None = None
    count: int = 1

    @property
    def objects(self) -> tuple[Thing, ...]:
        """Every object of the picture, a counted thing once per copy."""
        return self.things * self.count
