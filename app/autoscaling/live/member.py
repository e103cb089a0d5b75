"""One deployment under planning: what is known of it, and one decision after another."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.autoscaling.explain import Decision
from app.autoscaling.forecast.outlook import Outlook, forecast_term
from app.autoscaling.forecast.record import ForecastSettings
from app.autoscaling.history import DAY_MINUTES, MINUTE_S
from app.autoscaling.hold import USUAL_S
from app.autoscaling.live.ahead import floor_at, floors_ahead
from app.autoscaling.live.decided import standing
from app.autoscaling.live.knowledge import Knowledge
from app.autoscaling.live.plan import FloorAhead
from app.autoscaling.observation import Observation
from app.autoscaling.policy import PolicyState, decide
from app.autoscaling.profile import Profile
from app.autoscaling.tuning import Tuner, rehearsed

logger = logging.getLogger(__name__)

Decide = Callable[..., tuple[PolicyState, Decision]]

AHEAD_AGAIN_S = 30.0
# A minute whose begin was missed by more than this was not counted whole.
PUNCTUAL_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one deployment is planned; `nodes_early_s` is when machines are asked for before a peak.

    Times are those of a clock that runs at the `pace`.
    """

    profile: Profile
    forecast: ForecastSettings
    nodes_early_s: float
    pace: float = 1.0


class PlannedMember:
    """Decides for one deployment; whatever goes wrong holds its target and is told as the reason."""

    def __init__(self, knowledge: Knowledge, *, decide: Decide = decide) -> None:
        self.knowledge = knowledge
        self._decide = decide
        self._floors: tuple[FloorAhead, ...] = ()
        self._floors_at_s = float("-inf")
        self._failure = ""

    def forget_floors(self) -> None:
        """Schedules have changed: what they ask for in the next hour is read again."""
        self._floors_at_s = float("-inf")

    @property
    def floors(self) -> tuple[FloorAhead, ...]:
        """The floors of the next hour."""
        return self._floors

    def step(self, seen: Observation, rules: Rules) -> Decision:
        """One decision; never raises."""
        try:
            self._look_ahead(seen.now_s, rules)
            self._count(seen, rules)
            state, decision = self._decide(
                self._state(seen, rules.profile), seen, rules.profile, outlook=self.knowledge.record.outlook
            )
            self.knowledge = replace(self.knowledge, state=state)
            self._failure = ""
            return decision
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if reason != self._failure:
                logger.warning("%s: no decision", rules.profile.name, exc_info=True)
            self._failure = reason
            return standing(rules.profile.name, seen.target, reason, floors=self._floors, now_s=seen.now_s / rules.pace)

    def peak_ahead(self, now_s: float, rules: Rules) -> int:
        """The replicas that schedules and a trusted forecast want by the time a machine would be there."""
        profile, outlook = rules.profile, self.knowledge.record.outlook
        try:
            floor = floor_at(profile, now_s, early_s=rules.nodes_early_s)
            return max(floor, _forecast(outlook, profile, now_s=now_s, ahead_s=rules.nodes_early_s))
        except Exception:
            logger.warning("%s: no look ahead", profile.name, exc_info=True)
            return 0

    def _look_ahead(self, now_s: float, rules: Rules) -> None:
        if now_s - self._floors_at_s >= AHEAD_AGAIN_S:
            self._floors, self._floors_at_s = floors_ahead(rules.profile, now_s, pace=rules.pace), now_s

    def _count(self, seen: Observation, rules: Rules) -> None:
        is_fresh = seen.age_s <= rules.profile.stale_after_s
        minute, count = self.knowledge.minute.went_on(
            seen.now_s, seen.arrived, is_fresh=is_fresh, punctual_s=PUNCTUAL_S * rules.pace
        )
        self.knowledge = replace(self.knowledge, minute=minute)
        if count is not None:
            at_s = float((minute.minute - 1) * MINUTE_S)
            record = self.knowledge.record.counted(at_s, float(count), rules.forecast)
            self.knowledge = replace(self.knowledge, record=record)

    def _state(self, seen: Observation, profile: Profile) -> PolicyState:
        if self.knowledge.state is not None:
            return self.knowledge.state
        state = PolicyState.starting(seen, profile, tuner=self._rehearsed(profile))
        # Whoever comes without a memory into a peak takes the replicas that are there for wanted.
        return replace(state, peaks=state.peaks.wanted(seen.now_s, seen.target))

    def _rehearsed(self, profile: Profile) -> Tuner | None:
        counts = self.knowledge.record.history.latest(DAY_MINUTES)
        return rehearsed(counts, profile.fluid, learned_hold_s=USUAL_S) if len(counts) else None


def _forecast(outlook: Outlook | None, profile: Profile, *, now_s: float, ahead_s: float) -> int:
    if not profile.acts_on_forecast:
        return 0
    term = forecast_term(
        outlook, now_s=now_s, ahead_s=ahead_s, max_age_s=profile.forecast_max_age_s,
        throughput_per_s=profile.curve.throughput_per_s(profile.objective_s),
    )  # fmt: skip
    return min(-int(-term.replicas // 1), profile.max_replicas)
