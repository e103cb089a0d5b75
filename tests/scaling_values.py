"""Observations, profiles and loads that the tests of scaling share."""

from dataclasses import replace
from typing import Any

import numpy as np

from app.autoscaling.curve import BatchCurve
from app.autoscaling.explain import Decision
from app.autoscaling.history import DAY_MINUTES, CountHistory
from app.autoscaling.measure import STEP_S, ArrivalWindow
from app.autoscaling.observation import Observation
from app.autoscaling.policy import PolicyState, decide
from app.autoscaling.profile import Profile
from app.autoscaling.terms import Term

CURVE = BatchCurve(single_s=4.0)
MIDNIGHT_S = 1_800_000_000 // 86_400 * 86_400.0


def make_seen(**changes: Any) -> Observation:
    """A quiet deployment with one replica, a moment after midnight."""
    now_s = changes.get("now_s", MIDNIGHT_S)
    quiet = Observation(
        now_s=now_s, measured_at_s=now_s, arrived=0, finished=0, late=0, queued=0, running=0, ready=1, starting=0,
        target=1,
    )  # fmt: skip
    return replace(quiet, **changes)


def make_profile(**changes: Any) -> Profile:
    """A deployment of up to 48 replicas that serves a request in four seconds and four in 9.4."""
    return replace(Profile(name="sdxl", curve=CURVE, objective_s=20.0, max_replicas=48), **changes)


def make_decision(**changes: Any) -> Decision:
    """A decision with a part of every kind."""
    parts: dict[str, Any] = {
        "deployment": "sdxl", "before": 6, "replicas": 9,
        "demand": (
            Term("burst", 7.4, "m=2.1/s, D=3.2, z=1.5"), Term("trend", 0.0), Term("forecast", 5.8, "trust 0.82"),
        ),
        "queue": Term("queue", 1.2, "14 waiting, drain 10 s"), "held": Term("hold", 9.0, "peak of 90 s"),
        "floors": (Term("schedule eu-office", 6.0),), "maximum": 32,
    }  # fmt: skip
    return Decision(**parts | changes)


def steady_arrivals(per_step: float, *, steps: int = 120) -> ArrivalWindow:
    """Ten minutes of arrivals, the same in every step of five seconds."""
    window = ArrivalWindow.starting(0.0, 0)
    for step in range(1, steps + 1):
        window = window.advanced(step * STEP_S, round(step * per_step))
    return window


def daily_history(days: float, *, mean: float = 100.0, swing: float = 60.0, seed: int = 0) -> CountHistory:
    """Poisson counts per minute around one wave a day."""
    minutes = np.arange(round(days * DAY_MINUTES))
    rates = mean + swing * np.sin(2 * np.pi * minutes / DAY_MINUTES)
    return CountHistory(0, np.random.default_rng(seed).poisson(rates).astype(float))


class Watched:
    """A policy at work on a deployment whose targets come true at once."""

    def __init__(self, profile: Profile, *, start_s: float = MIDNIGHT_S, target: int | None = None) -> None:
        self.profile, self.now_s, self.arrived = profile, start_s, 0
        self.target = profile.min_replicas if target is None else target
        self.state = PolicyState.starting(self._seen(), profile)
        self.last: Decision | None = None

    def run(self, seconds: int, *, per_s: float = 0.0, **seen: Any) -> list[int]:
        """Targets second by second, while `per_s` requests arrive."""
        return [self.tick(per_s=per_s, **seen) for _ in range(seconds)]

    def tick(self, *, per_s: float = 0.0, policies: Any = None, outlook: Any = None, **seen: Any) -> int:
        """The target a second later."""
        begun_s = self.now_s
        self.now_s += 1
        self.arrived += int(self.now_s * per_s) - int(begun_s * per_s)
        chosen = {} if policies is None else {"policies": policies}
        self.state, self.last = decide(self.state, self._seen(**seen), self.profile, outlook=outlook, **chosen)
        self.target = self.last.replicas
        return self.target

    def _seen(self, **changes: Any) -> Observation:
        known = {"now_s": self.now_s, "measured_at_s": self.now_s, "arrived": self.arrived, "target": self.target}
        return make_seen(**known | {"ready": self.target} | changes)
