"""Keeps the price of invariance to where it is needed: most calls need few of a network's invariant parts, or none."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from app.inference.determinism.cases import case_of
from app.inference.determinism.parts import InvariantPart
from app.inference.determinism.samples import Function
from app.inference.determinism.verdicts import Verdicts


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The attribute of a module that a part can take over."""

    module: nn.Module
    name: str
    part: InvariantPart

    def fill(self, *, invariant: bool) -> None:
        """Put the part in its place, or what was there before."""
        setattr(self.module, self.name, self.part if invariant else self.part.plain)


class Rehearsed:
    """A network's forward with those invariant parts in their places that the case at hand needs; not thread-safe.

    The first call of each case is its rehearsal: all parts are in their places and find out which of
    them the case needs. Cases differ by what kernels can tell apart, so the others stay unneeded.
    """

    def __init__(self, plain: Function, places: Iterable[Place], verdicts: Verdicts) -> None:
        self.plain = plain
        self.verdicts = verdicts
        self._all = frozenset(places)
        self._filled: frozenset[Place] = frozenset()
        self._needed: dict[Hashable, frozenset[Place]] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What `plain` returns, each sample in it computed as if it were alone."""
        case = case_of(arguments, named)
        needed = self._needed.get(case)
        if needed is None:
            return self._rehearse(case, arguments, named)
        self._fill(needed)
        return self.plain(*arguments, **named)

    def clear(self) -> None:
        """Put everything back that was there before the parts."""
        self._fill(frozenset())

    def _rehearse(self, case: Hashable, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._fill(self._all)
        for place in self._all:
            place.part.was_needed = False
        output = self.plain(*arguments, **named)
        self._needed[case] = frozenset(place for place in self._all if place.part.was_needed)
        return output

    def _fill(self, needed: frozenset[Place]) -> None:
        if needed is self._filled:
            return
        for place in self._filled ^ needed:
            place.fill(invariant=place in needed)
        self._filled = needed
