"""Darkroom's own policy as a rule of the simulator."""

from dataclasses import replace
from time import thread_time

from app.autoscaling.explain import Decision
from app.autoscaling.forecast.ensemble import MedianEnsemble
from app.autoscaling.forecast.record import ForecastRecord, ForecastSettings, replayed
from app.autoscaling.history import DAY_MINUTES, MINUTE_S, CountHistory
from app.autoscaling.hold import USUAL_S
from app.autoscaling.observation import Observation
from app.autoscaling.policy import PolicyState, decide
from app.autoscaling.profile import Profile
from app.autoscaling.tuning import rehearsed
from app.simulation.scaling.scenario import Scenario

FORECAST = ForecastSettings(forecaster=MedianEnsemble())


def profile_of(scenario: Scenario, name: str = "model") -> Profile:
    """The policy's profile of a simulated deployment, everything else as it comes."""
    return Profile(
        name=name, curve=scenario.curve, objective_s=scenario.objective_s, cold_start_s=scenario.cold_start_s,
        slowest_start_s=scenario.slowest_start_s, min_replicas=scenario.min_replicas,
        max_replicas=scenario.max_replicas, node_start_s=scenario.nodes.start_s if scenario.nodes else 0.0,
    )  # fmt: skip


class Planned:
    """The policy with its forecaster, starting with the `history` before the simulation; it keeps what it decided,
    and how many seconds of processor time each decision took.

    The simulation's second zero is `begins_s` since the epoch, which tells schedules and seasons the time.
    """

    def __init__(
        self, profile: Profile, history: CountHistory, *, begins_s: float, forecast: ForecastSettings = FORECAST
    ) -> None:
        self.profile, self._begins_s, self._settings = profile, begins_s, forecast
        self._record = replayed(history, forecast) if profile.acts_on_forecast else ForecastRecord(history)
        counts = history.latest(DAY_MINUTES)
        self._tuner = rehearsed(counts, profile.fluid, learned_hold_s=USUAL_S) if len(counts) else None
        self._state: PolicyState | None = None
        self._minute, self._counted = int(begins_s // MINUTE_S), 0
        self.decisions: list[Decision] = []
        self.forecasts: list[float] = []
        self.floors: list[float] = []
        self.seconds: list[float] = []

    def __call__(self, seen: Observation) -> int:
        """The replicas that the policy wants."""
        return self.decided(seen).replicas

    def decided(self, seen: Observation) -> Decision:
        """What the policy decides."""
        absolute = self._at(seen)
        if self._state is None:
            self._state = PolicyState.starting(absolute, self.profile, tuner=self._tuner)
        self._count(absolute)
        began_s = thread_time()
        self._state, decision = decide(self._state, absolute, self.profile, outlook=self._record.outlook)
        self.seconds.append(thread_time() - began_s)
        if decision.changed:
            self.decisions.append(decision)
        self.forecasts.append(max((term.replicas for term in decision.demand if term.name == "forecast"), default=0.0))
        self.floors.append(max((term.replicas for term in decision.floors), default=0.0))
        return decision

    def _count(self, seen: Observation) -> None:
        minute = int(seen.now_s // MINUTE_S)
        if minute > self._minute and self.profile.acts_on_forecast:
            at_s = float(self._minute * MINUTE_S)
            self._record = self._record.counted(at_s, seen.arrived - self._counted, self._settings)
            self._minute, self._counted = minute, seen.arrived

    def _at(self, seen: Observation) -> Observation:
        now_s, measured_at_s = self._begins_s + seen.now_s, self._begins_s + seen.measured_at_s
        return replace(seen, now_s=now_s, measured_at_s=measured_at_s)
