"""Who gets the next GPU when there are fewer than all would like."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.autoscaling.explain import Decision
from app.autoscaling.profile import Profile
from app.autoscaling.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a deployment would have and must have, and how much its requests weigh together."""

    wanted: int
    least: int = 0
    gpus_each: float = 1.0
    weight: float = 1.0

    def gain(self, replicas: int) -> float:
        """What one more replica than that brings per GPU, by the square of the share of the demand that is unserved.

        The square makes every further replica worth less, as in the relaxed utilities of Faro (Jeon et al., 2025), so
        that the greedy order is the best one for replicas of equal size.
        """
        unserved, then = (1 - min(1.0, count / self.wanted) for count in (replicas, replicas + 1))
        return self.weight * (unserved**2 - then**2) / self.gpus_each


def share_out(claims: Mapping[str, Claim], gpus: float) -> dict[str, int]:
    """Replicas by deployment within `gpus`: first what each must have, then one by one where most is gained.

    What must be had is given even when it exceeds `gpus`; nobody gets more than wanted.
    """
    given = {name: claim.least for name, claim in claims.items()}
    left = gpus - sum(claim.least * claim.gpus_each for claim in claims.values())
    waiting = [(-claim.gain(claim.least), name) for name, claim in claims.items() if claim.wanted > claim.least]
    heapq.heapify(waiting)
    while waiting:
        _, name = heapq.heappop(waiting)
        claim = claims[name]
        if claim.gpus_each > left + 1e-9:
            continue
        given[name] += 1
        left -= claim.gpus_each
        if given[name] < claim.wanted:
            heapq.heappush(waiting, (-claim.gain(given[name]), name))
    return given


def within_gpus(
    decisions: Mapping[str, Decision], profiles: Mapping[str, Profile], *, gpus: float
) -> dict[str, Decision]:
    """The decisions of deployments that share `gpus`; one that is cut short says so."""
    claims = {
        name: Claim(
            wanted=decision.replicas, least=min(decision.replicas, profiles[name].min_replicas),
            gpus_each=profiles[name].gpus_each, weight=profiles[name].weight,
        )
        for name, decision in decisions.items()
    }  # fmt: skip
    given = share_out(claims, gpus)
    return {name: _cut(decision, given[name], gpus=gpus) for name, decision in decisions.items()}


def _cut(decision: Decision, given: int, *, gpus: float) -> Decision:
    if given == decision.replicas:
        return decision
    ceiling = Term("gpus", float(given), f"{gpus:g} shared, {decision.replicas} replicas wanted")
    return replace(decision, replicas=given, ceilings=(*decision.ceilings, ceiling))
