"""Who is compared: plans made in hindsight, Ray Serve's policy, ours, and ours with one setting for every load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from benchmarks.autoscaling.traces import Window
from numpy.typing import NDArray

from app.autoscaling.history import CountHistory
from app.autoscaling.observation import Observation
from app.autoscaling.setting import Setting
from app.simulation.scaling.oracle import Hindsight
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.planned import Planned, profile_of
from app.simulation.scaling.scenario import Scenario
from app.simulation.scaling.simulate import Load, simulate_one
from deployments.ray_rule import RayRule

SEED = 1
SCENARIO = Scenario()
# Every known setting beside the tuned one: half minutes, 1.5 deviations, a rise drawn out once, a minute's hold.
FIXED = Setting(window_s=30, trend_gain=1.0, deviations=1.5, hold_s=60)

ORACLE, STATIC, OURS = "best plan in hindsight", "fixed number, the smallest", "Darkroom"
RAY, RAY_ONE = "Ray Serve as shipped", "Ray Serve, target 1"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Row:
    """What one contender made of one window; `tick_s` are processor times of its decisions, where they are ours."""

    window: str
    contender: str
    gpu_hours: float
    attainment: float
    cold_starts: int
    tick_s: NDArray[np.float64]


def run(window: Window, contender: str) -> Row:
    """Simulate one contender on one window."""
    outcome, tick_s = CONTENDERS[contender](window)
    return Row(
        window=window.name, contender=contender, gpu_hours=outcome.gpu_hours, attainment=outcome.attainment,
        cold_starts=outcome.cold_starts, tick_s=np.array(tick_s),
    )  # fmt: skip


Contender = Callable[[Window], tuple[Outcome, list[float]]]


def _hindsight(window: Window) -> Hindsight:
    return Hindsight(load=_load(window), duration_s=window.duration_s, seed=SEED)


def _load(window: Window) -> Load:
    return Load(scenario=SCENARIO, arrivals_s=window.arrivals_s)


def _ruled(window: Window, rule: Callable[[Observation], int]) -> Outcome:
    return simulate_one(_load(window), rule, duration_s=window.duration_s, seed=SEED)


def _ray(**settings: float) -> Contender:
    def contender(window: Window) -> tuple[Outcome, list[float]]:
        rule = RayRule(min_replicas=SCENARIO.min_replicas, max_replicas=SCENARIO.max_replicas, **settings)
        return _ruled(window, rule), []

    return contender


def _ours(*, forecasts: bool = True, setting: Setting | None = None) -> Contender:
    def contender(window: Window) -> tuple[Outcome, list[float]]:
        profile = replace(profile_of(SCENARIO), acts_on_forecast=forecasts, setting=setting)
        history, begins_s = CountHistory(0, window.history), len(window.history) * 60.0
        rule = Planned(profile, history, begins_s=begins_s)
        return _ruled(window, rule), rule.seconds

    return contender


CONTENDERS: Mapping[str, Contender] = {
    ORACLE: lambda window: (_hindsight(window).cheapest_plan(), []),
    STATIC: lambda window: (_hindsight(window).cheapest_static(), []),
    RAY: _ray(),
    RAY_ONE: _ray(target_ongoing_requests=1),
    "Ray Serve, target 4": _ray(target_ongoing_requests=4),
    "one setting, no forecast": _ours(forecasts=False, setting=FIXED),
    "one setting, median ensemble": _ours(setting=FIXED),
    "Darkroom, no forecast": _ours(forecasts=False),
    OURS: _ours(),
}
