"""What the planner publishes, and what may be done with it when nothing newer comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.autoscaling.terms import Term

# A plan is renewed twice a second; ten that are missing mean that nobody is there to renew it.
FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """How many replicas of a deployment run, and how many are ordered."""

    running: int
    target: int


@dataclass(frozen=True, slots=True)
class FloorAhead:
    """A floor that holds between two epoch seconds."""

    from_s: float
    until_s: float
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one deployment shall have, why, and which floors are known for the next hour.

    `held` says why nothing was decided and the target stays; it is empty otherwise.
    """

    replicas: int
    terms: tuple[Term, ...] = ()
    line: str = ""
    held: str = ""
    floors: tuple[FloorAhead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole graph's replicas at one moment, by deployment; `version` grows with every change."""

    at_s: float
    version: int = 0
    deployments: Mapping[str, Planned] = field(default_factory=dict)


def replicas(plan: Plan | None, deployment: str, target: int, *, now_s: float) -> int:
    """The replicas to have now; without a fresh plan the target is held, and only a known floor raises it."""
    planned = None if plan is None else plan.deployments.get(deployment)
    if plan is None or planned is None:
        return target
    if now_s - plan.at_s <= FRESH_S:
        return planned.replicas
    return max([target, *(floor.replicas for floor in planned.floors if floor.from_s <= now_s < floor.until_s)])
