"""How fast scaling is where it runs: decisions in the forecaster and the controller, reaction of the real graph.

PYTHONPATH=.:tests python tests/benchmarks/autoscaling/live.py
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scaling_site import Load, scaling_site

from app.autoscaling.forecast.ensemble import MedianEnsemble
from app.autoscaling.history import DAY_MINUTES, CountHistory
from app.autoscaling.live.counts import Counts
from app.autoscaling.live.fleet import members_of
from app.autoscaling.live.plan import Plan, Seen
from app.autoscaling.live.planner import Planner
from app.config import load_settings
from app.config.autoscaling import ScalingSettings
from deployments.scaling_policy import ScalingPolicy

STEPS = 4000
CALLS = 20_000
HISTORY_DAYS = 28
ROUNDS = 2
BURST, CALM_CALLS = 40, 3


class WrittenLink:
    """A plan that is there, and a fleet that nobody fetches."""

    def __init__(self, plan: Plan) -> None:
        self.plan: Plan | None = plan
        self.fleet: Any = {}

    def start(self) -> None:
        """Nothing to begin."""

    stop = start


def seconds_of(action: Callable[[], object], *, times: int) -> np.ndarray:
    """How long each of so many calls took."""
    taken_s = np.empty(times)
    for each in range(times):
        began_s = time.perf_counter()
        action()
        taken_s[each] = time.perf_counter() - began_s
    return taken_s


def planning() -> tuple[np.ndarray, Plan]:
    """The forecaster's decisions for the whole graph of configs/local.yaml under load, half a second apart."""
    now_s, arrived = 1_800_000_000.0, 0
    chance = np.random.default_rng(0)
    members = members_of(load_settings(Path("configs/local.yaml")))
    planner = Planner(members, ScalingSettings(), clock=lambda: now_s)
    taken_s = np.empty(STEPS)
    for step in range(STEPS):
        now_s, arrived = now_s + 0.5, arrived + int(chance.poisson(2))
        planner.saw({each.deployment: Seen(1, 1) for each in members})
        planner.counted({each.name: Counts(arrived=arrived, finished=arrived, flowed=arrived) for each in members})
        taken_s[step] = seconds_of(planner.step, times=1)[0]
    return taken_s, planner.plan


def deciding(plan: Plan) -> np.ndarray:
    """The policy's calls in Serve's controller."""
    fresh = Plan(at_s=time.time() + 3600, deployments=plan.deployments)
    policy = ScalingPolicy("darkroom", "", open_link=lambda application, config: WrittenLink(fresh))
    contexts: Any = {
        name: SimpleNamespace(deployment_name=name, current_num_replicas=1, target_num_replicas=1)
        for name in plan.deployments
    }
    return seconds_of(lambda: policy(contexts), times=CALLS)


def fitting() -> np.ndarray:
    """Fits of the ensemble on four weeks of minutes."""
    minutes = np.arange(HISTORY_DAYS * DAY_MINUTES)
    mean = 20 + 15 * np.sin(2 * np.pi * minutes / DAY_MINUTES)
    history = CountHistory(0, np.random.default_rng(0).poisson(mean).astype(float))
    return seconds_of(lambda: MedianEnsemble().fit(history), times=5)


def reaction() -> tuple[float, float]:
    """Seconds from a burst of calls, on clocks that run as they do, to the decision and to Serve's first order."""
    with tempfile.TemporaryDirectory() as folder, scaling_site(Path(folder), {"scaling": {"pace": 1.0}}) as site:
        for seed in range(CALM_CALLS):
            site.draw(seed=seed)
        load, began_s = Load(site), time.time()
        load.at_once(BURST)
        load.done()
        site.wait_for(lambda look: look.target > 1, within_s=30)
        rises_s = [each["at_s"] for each in site.scaling()["decisions"] if each["to"] > each["from"]]
        return _first(rises_s, began_s), _first(site.ordered_s(), began_s)


def main() -> None:
    """Print the table."""
    taken_s, plan = planning()
    table = Table("what", "median", "99th percentile or worst")
    table.add_row(f"plan of {len(plan.deployments)} deployments, in the forecaster", *_milliseconds(taken_s))
    table.add_row("policy call, in Serve's controller", *_milliseconds(deciding(plan)))
    table.add_row(f"fit of {HISTORY_DAYS} days of minutes", *_milliseconds(fitting()))
    planned_s, ordered_s = zip(*(reaction() for _ in range(ROUNDS)), strict=True)
    for what, figures in (("decided", planned_s), ("replicas ordered by Serve", ordered_s)):
        table.add_row(f"{BURST} calls at once: {what}", f"{np.median(figures):.2f} s", f"{max(figures):.2f} s")
    Console().print(table)


def _first(moments_s: list[float], began_s: float) -> float:
    return min(at_s for at_s in moments_s if at_s > began_s) - began_s


def _milliseconds(taken_s: np.ndarray) -> tuple[str, str]:
    return f"{1000 * np.median(taken_s):.3f} ms", f"{1000 * np.quantile(taken_s, 0.99):.3f} ms"


if __name__ == "__main__":
    main()
