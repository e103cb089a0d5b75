"""From a decision to what is published of it."""

from collections.abc import Iterable, Sequence

from app.autoscaling.explain import Decision
from app.autoscaling.live.plan import FloorAhead, Planned
from app.autoscaling.terms import Term


def planned(decision: Decision, floors: tuple[FloorAhead, ...]) -> Planned:
    """The decision with every term that had a part in it, demand first."""
    bounds = (*_named("floor", decision.floors), *_named("cap", decision.ceilings))
    terms = (*decision.demand, decision.queue, decision.held, *bounds, *decision.failures)
    return Planned(replicas=decision.replicas, terms=terms, line=decision.line(), held=decision.stale, floors=floors)


def standing(name: str, target: int, reason: str, *, floors: Sequence[FloorAhead], now_s: float) -> Decision:
    """The target as it is, or a floor above it, because nothing could be decided."""
    floor = max((each.replicas for each in floors if each.from_s <= now_s < each.until_s), default=0)
    return Decision(
        deployment=name, before=target, replicas=max(target, floor), demand=(), queue=Term("queue", 0.0),
        held=Term("hold", float(target)), floors=(Term("known", float(floor)),) if floor else (), stale=reason,
    )  # fmt: skip


def _named(kind: str, terms: Iterable[Term]) -> list[Term]:
    return [Term(f"{term.name} {kind}", term.replicas, term.why) for term in terms]
