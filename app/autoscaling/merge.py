"""How the terms become one number: the rules that `status` prints.

Demand is the largest of burst, trend and forecast, plus the queue. Floors combine by max, ceilings by min; a ceiling
beats a floor, a budget beats demand, and the maximum beats all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.autoscaling.terms import Term

RULES = (
    "demand: the largest of burst, trend and forecast, plus the queue, held for a while",
    "floors: the highest; ceilings: the lowest; a ceiling beats a floor, a budget beats demand, the maximum beats all",
)
# Sums of rates that are whole in decimals are not whole in binary.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What limits the demand of one deployment; what is to be told of it, and which parts of it failed."""

    minimum: int
    maximum: int
    floors: Sequence[Term] = ()
    ceilings: Sequence[Term] = ()
    notes: Sequence[str] = ()
    failures: Sequence[Term] = ()


def demand(largest_of: Sequence[Term], added: Sequence[Term] = ()) -> int:
    """Replicas that the load asks for by itself."""
    replicas = max((term.replicas for term in largest_of), default=0.0) + sum(term.replicas for term in added)
    return max(0, math.ceil(replicas - _ROUNDING))


def merge(wanted: int, bounds: Bounds) -> int:
    """The replicas to have, for a demand within bounds; never below zero or above the maximum."""
    floor = max((math.ceil(term.replicas - _ROUNDING) for term in bounds.floors), default=0)
    ceiling = min((math.floor(term.replicas + _ROUNDING) for term in bounds.ceilings), default=bounds.maximum)
    raised = max(wanted, floor, bounds.minimum)
    return max(0, min(raised, ceiling, bounds.maximum))
