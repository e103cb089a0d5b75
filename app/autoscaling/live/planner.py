"""Plans the replicas of a whole graph, twice a second, from what its parts report."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.autoscaling.building import build_forecast
from app.autoscaling.explain import Decision
from app.autoscaling.gpus import within_gpus
from app.autoscaling.live.counts import Counts
from app.autoscaling.live.decided import planned
from app.autoscaling.live.fleet import Learned, Member, nodes_early_s, profile_of
from app.autoscaling.live.knowledge import Knowledge
from app.autoscaling.live.member import Decide, PlannedMember, Rules
from app.autoscaling.live.plan import Plan, Planned, Seen
from app.autoscaling.observation import Observation
from app.autoscaling.policy import decide
from app.config.autoscaling import ScalingSettings
from app.telemetry.events import Observer, ReplicasDecided, ReplicasPlanned, ignore

KEPT_DECISIONS = 100
STALE_AFTER_S = 10.0
# What is measured is taken over again when it has changed by this share, so that plans do not tremble with it.
_NEWS = 0.1
# Serve may still be on the way to what was planned so many changes ago.
_STILL_ON_THE_WAY = 4

_BY_SERVE = "Ray Serve, because a request found no replica or its bounds changed"


class Planner:
    """Knows the graph's members; reports come in from any thread, plans are made in one.

    Its time is the clock's times the pace, which is 1 but in rehearsals. A member that Serve has not told about yet
    has no plan. `knowledge` is what was remembered of a member by name.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: ScalingSettings,
        *,
        knowledge: Mapping[str, Knowledge] | None = None,
        decisions: Sequence[dict[str, Any]] = (),
        observe: Observer = ignore,
        clock: Callable[[], float] = time.time,
        pace: float = 1.0,
        decide: Decide = decide,
    ) -> None:
        known = knowledge or {}
        self._members = tuple(members)
        self._planned = {each.name: PlannedMember(known.get(each.name, Knowledge()), decide=decide) for each in members}
        self._observe, self._clock, self._pace = observe, clock, pace
        self._learned = {each.name: Learned() for each in members}
        self._fleet: tuple[float, Mapping[str, Seen]] = (float("-inf"), {})
        self._counts: tuple[float, Mapping[str, Counts]] = (float("-inf"), {})
        self._rules: dict[str, Rules] = {}
        self._ordered = {each.name: deque[int](maxlen=_STILL_ON_THE_WAY) for each in members}
        self.decisions: deque[dict[str, Any]] = deque(decisions, maxlen=KEPT_DECISIONS)
        self.plan = Plan(at_s=float("-inf"))
        self.configure(settings)

    def configure(self, settings: ScalingSettings) -> None:
        """Decide by these settings from now on; raises ConfigurationError, and changes nothing, when that cannot be."""
        rules = {each.name: self._rules_of(each, settings) for each in self._members}
        self.settings, self._rules = settings, rules
        for member in self._planned.values():
            member.forget_floors()

    def saw(self, fleet: Mapping[str, Seen]) -> None:
        """Take over what Serve says about the deployments, by their names there."""
        self._fleet = (self._now_s(), fleet)

    def counted(self, counts: Mapping[str, Counts]) -> None:
        """Take over what the router has counted, by the names of members."""
        self._counts = (self._now_s(), counts)

    def step(self) -> Plan:
        """Decide for every member that is known; never raises because of one."""
        now_s, fleet = self._now_s(), self._fleet[1]
        known = [each for each in self._members if each.deployment in fleet]
        decisions = self._shared({each.name: self._decided(each, now_s) for each in known})
        plans = dict(self.plan.deployments)
        for member in known:
            new = planned(decisions[member.name], self._planned[member.name].floors)
            plans[member.deployment] = new
            self._tell(member, fleet[member.deployment], new)
        is_new = {name: each.replicas for name, each in plans.items()} != self._replicas()
        self.plan = Plan(at_s=now_s / self._pace, version=self.plan.version + is_new, deployments=plans)
        return self.plan

    def bundles(self) -> tuple[dict[str, float], ...]:
        """What the cluster must have room for ahead of a peak that is planned or forecast; nothing when none is."""
        now_s, fleet = self._now_s(), self._fleet[1]
        peaks = {name: member.peak_ahead(now_s, self._rules[name]) for name, member in self._planned.items()}
        if not any(peaks[each.name] > each.bounds.min_replicas for each in self._members):
            return ()
        return tuple(
            dict(each.bundle)
            for each in self._members
            for _ in range(max(peaks[each.name], fleet.get(each.deployment, Seen(0, 0)).target))
        )

    def knowledge(self) -> dict[str, Knowledge]:
        """What has to be remembered of every member."""
        return {name: member.knowledge for name, member in self._planned.items()}

    def running(self) -> dict[str, Seen]:
        """What Serve said last, by the names of members."""
        fleet = self._fleet[1]
        return {each.name: fleet[each.deployment] for each in self._members if each.deployment in fleet}

    def planned(self) -> dict[str, Planned]:
        """The plan by the names of members."""
        plans = self.plan.deployments
        return {each.name: plans[each.deployment] for each in self._members if each.deployment in plans}

    def _now_s(self) -> float:
        return self._clock() * self._pace

    def _replicas(self) -> dict[str, int]:
        return {name: each.replicas for name, each in self.plan.deployments.items()}

    def _decided(self, member: Member, now_s: float) -> Decision:
        (seen_s, fleet), (counted_s, counts) = self._fleet, self._counts
        own, seen = counts.get(member.name, Counts()), fleet[member.deployment]
        self._learn(member, own, seen)
        observation = Observation(
            now_s=now_s, measured_at_s=min(seen_s, counted_s), arrived=self._arrived(member, counts),
            finished=own.finished, late=own.late, queued=own.queued, running=own.running, ready=seen.running,
            starting=max(0, seen.target - seen.running), target=seen.target,
        )  # fmt: skip
        return self._planned[member.name].step(observation, self._rules[member.name])

    def _shared(self, decisions: dict[str, Decision]) -> dict[str, Decision]:
        """The decisions within the GPUs that all share, where a number is set."""
        takers = {each.name for each in self._members if each.bundle.get("GPU")} & decisions.keys()
        if self.settings.gpus is None or not takers:
            return decisions
        profiles = {name: self._rules[name].profile for name in takers}
        return decisions | within_gpus({name: decisions[name] for name in takers}, profiles, gpus=self.settings.gpus)

    def _arrived(self, member: Member, counts: Mapping[str, Counts]) -> int:
        """What comes from outside; for a stage that follows, also its share of what the models have before them."""
        own = counts.get(member.name, Counts())
        if not member.follows:
            return own.arrived
        heads = [counts[each.name] for each in self._members if not each.follows and each.name in counts]
        stage = self._planned[member.name]
        if not heads:
            return round(stage.knowledge.branch.arrived)
        branch = stage.knowledge.branch.flowed(
            outside=own.arrived, heads=sum(each.arrived for each in heads),
            finished=sum(each.finished for each in heads), went_on=sum(each.flowed for each in heads),
        )  # fmt: skip
        stage.knowledge = replace(stage.knowledge, branch=branch)
        return round(branch.arrived)

    def _learn(self, member: Member, counts: Counts, seen: Seen) -> None:
        """Time starts, and take over what was measured where it has changed enough to matter."""
        stage, known = self._planned[member.name], self._learned[member.name]
        starts = stage.knowledge.starts.seen(self._now_s(), running=seen.running, target=seen.target)
        stage.knowledge = replace(stage.knowledge, starts=starts)
        learned = Learned(
            single_s=_renewed(known.single_s, counts.single_s and counts.single_s * self._pace),
            cold_start_s=_renewed(known.cold_start_s, starts.usual_s),
            slowest_start_s=_renewed(known.slowest_start_s, starts.slowest_s) or 0.0,
        )
        if learned != known:
            self._learned[member.name] = learned
            self._rules[member.name] = self._rules_of(member, self.settings)

    def _rules_of(self, member: Member, settings: ScalingSettings) -> Rules:
        return Rules(
            profile=profile_of(member, settings, self._learned[member.name], stale_after_s=STALE_AFTER_S * self._pace),
            forecast=build_forecast(settings),
            nodes_early_s=nodes_early_s(member, settings, self._learned[member.name]),
            pace=self._pace,
        )

    def _tell(self, member: Member, seen: Seen, new: Planned) -> None:
        """Note what is about to change, once: Serve follows a moment later."""
        terms = tuple((term.name, term.replicas) for term in new.terms)
        self._observe(ReplicasPlanned(deployment=member.name, replicas=new.replicas, running=seen.running, terms=terms))
        ordered = self._ordered[member.name]
        if ordered and seen.target not in ordered:
            self._note(member, (ordered[-1], seen.target), f"{member.name} {ordered[-1]}→{seen.target}: {_BY_SERVE}")
            ordered.append(seen.target)
        if not ordered:
            ordered.append(seen.target)
        if new.replicas != ordered[-1]:
            ordered.append(new.replicas)
            self._note(member, (seen.target, new.replicas), new.line)

    def _note(self, member: Member, change: tuple[int, int], reason: str) -> None:
        before, after = change
        self.decisions.append(
            {"at_s": self._clock(), "deployment": member.name, "from": before, "to": after, "reason": reason}
        )
        self._observe(ReplicasDecided(deployment=member.name, before=before, replicas=after, reason=reason))


def _renewed(known: float | None, measured: float | None) -> float | None:
    """What was measured, unless it is hardly different from what is known."""
    if not measured or (known and abs(measured / known - 1) <= _NEWS):
        return known
    return measured
