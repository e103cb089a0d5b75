"""A recorded load under the policy, under other rules, and under the best plan in hindsight."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from app.autoscaling.building import build_forecast, build_profile
from app.autoscaling.history import DAY_MINUTES, MINUTE_S, CountHistory
from app.autoscaling.observation import Observation
from app.autoscaling.profile import Profile
from app.config.autoscaling import DeploymentScaling, ScalingSettings
from app.errors import ConfigurationError
from app.simulation.scaling.arrivals import Series, from_counts
from app.simulation.scaling.oracle import Hindsight
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.planned import Planned
from app.simulation.scaling.scenario import NodeSpec, Scenario
from app.simulation.scaling.simulate import Load, simulate_one

Rule = Callable[[Observation], int]
RuleOf = Callable[[Scenario], Rule]

AS_SET, OBSERVED, HINDSIGHT, FIXED = "as it is set", "forecasts only observed", "best plan in hindsight", "fixed number"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """One deployment's arrivals in seconds since `begins_s`, with the counts of the time before them."""

    name: str
    history: CountHistory
    arrivals_s: Series
    begins_s: float
    duration_s: float
    seed: int = 1

    def policy(self, settings: ScalingSettings) -> tuple[Outcome, Planned]:
        """The outcome under the policy with those settings, and the policy with what it decided."""
        profile = profile_in(settings, self.name)
        rule = Planned(profile, self.history, begins_s=self.begins_s, forecast=build_forecast(settings))
        return self.ruled(settings, rule), rule

    def ruled(self, settings: ScalingSettings, rule: Rule) -> Outcome:
        """The outcome under any rule, for a deployment as it is set."""
        return simulate_one(self._load(settings), rule, duration_s=self.duration_s, seed=self.seed)

    def hindsight(self, settings: ScalingSettings) -> Hindsight:
        """Who knows the load beforehand and has to keep the same promise."""
        return Hindsight(
            load=self._load(settings), duration_s=self.duration_s, seed=self.seed, attainment=settings.slo.attainment
        )

    def _load(self, settings: ScalingSettings) -> Load:
        return Load(scenario=scenario_of(profile_in(settings, self.name)), arrivals_s=self.arrivals_s)


def profile_in(settings: ScalingSettings, name: str) -> Profile:
    """The profile of a deployment, with the defaults where nothing is set for it."""
    own = settings.deployments.get(name, DeploymentScaling())
    return build_profile(name, settings.model_copy(update={"deployments": {name: own}}))


def scenario_of(profile: Profile) -> Scenario:
    """A simulated deployment as the profile describes it, each machine with room for one replica."""
    nodes = NodeSpec(replicas=1, start_s=profile.node_start_s) if profile.node_start_s else None
    return Scenario(
        curve=profile.curve, cold_start_s=profile.cold_start_s, objective_s=profile.objective_s,
        patience_s=6 * profile.objective_s, min_replicas=profile.min_replicas, max_replicas=profile.max_replicas,
        nodes=nodes,
    )  # fmt: skip


def of_day(name: str, history: CountHistory, day: int, *, seed: int = 1) -> Replay:
    """The replay of one day of UTC since the epoch; each minute's requests are spread over it at random.

    Minutes that nobody counted have none. Raises ConfigurationError when nothing is known of the day.
    """
    begin = day * DAY_MINUTES
    before = history.until(begin)
    counts = history.until(begin + DAY_MINUTES).counts[max(0, begin - history.first_minute) :]
    missing = max(0, history.first_minute - begin)
    if missing >= DAY_MINUTES or np.isnan(counts).all():
        raise ConfigurationError(f"nothing is known of {name} on {np.datetime64(day, 'D')}")
    whole = np.concatenate([np.zeros(missing), np.nan_to_num(counts)]).astype(np.int64)
    return Replay(
        name=name, history=before, arrivals_s=from_counts(whole, bin_s=float(MINUTE_S), seed=seed),
        begins_s=float(begin * MINUTE_S), duration_s=float(len(whole) * MINUTE_S), seed=seed,
    )  # fmt: skip


def compared(replay: Replay, settings: ScalingSettings, rivals: Mapping[str, RuleOf]) -> dict[str, Outcome]:
    """What the load would have cost: as it is set, with forecasts only observed, in hindsight, and under rivals."""
    observed = settings.model_copy(update={"forecast": settings.forecast.model_copy(update={"mode": "observe"})})
    hindsight, scenario = replay.hindsight(settings), scenario_of(profile_in(settings, replay.name))
    return {
        AS_SET: replay.policy(settings)[0],
        OBSERVED: replay.policy(observed)[0],
        **{label: replay.ruled(settings, rule_of(scenario)) for label, rule_of in rivals.items()},
        HINDSIGHT: hindsight.cheapest_plan(),
        FIXED: hindsight.cheapest_static(),
    }


def without_schedules(settings: ScalingSettings) -> ScalingSettings:
    """The settings, with nothing planned by anyone."""
    return settings.model_copy(update={"schedules": ()})
