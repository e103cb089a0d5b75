"""Runs a controller over the recorded or invented arrivals of one or several deployments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.autoscaling.observation import Observation
from app.simulation.scaling.controller import Alone, Controller
from app.simulation.scaling.fleet import Fleet
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One deployment's scenario and the ascending arrival times of its requests."""

    scenario: Scenario
    arrivals_s: NDArray[np.float64]


def simulate(loads: Mapping[str, Load], controller: Controller, *, duration_s: float, seed: int) -> dict[str, Outcome]:
    """Outcomes by deployment; equal arguments give equal outcomes. All deployments share the first one's tick."""
    fleets = {name: Fleet(load.scenario, load.arrivals_s.tolist(), seed=seed) for name, load in loads.items()}
    tick_s = next(iter(loads.values())).scenario.tick_s
    steps = int(duration_s // tick_s)
    trail = {name: _Trail(np.zeros(steps, np.int32), np.zeros(steps, np.int32)) for name in fleets}
    for step in range(steps):
        _tick(fleets, loads, controller, now_s=step * tick_s)
        for name, fleet in fleets.items():
            trail[name].target[step], trail[name].ready[step] = fleet.target, fleet.ready
    return {name: _outcome(fleet, trail[name], duration_s) for name, fleet in fleets.items()}


def simulate_one(load: Load, rule: Callable[[Observation], int], *, duration_s: float, seed: int) -> Outcome:
    """The outcome of a single deployment under a rule of its own."""
    return simulate({"": load}, Alone({"": rule}), duration_s=duration_s, seed=seed)[""]


@dataclass(frozen=True, slots=True)
class _Trail:
    target: NDArray[np.int32]
    ready: NDArray[np.int32]


def _tick(fleets: Mapping[str, Fleet], loads: Mapping[str, Load], controller: Controller, *, now_s: float) -> None:
    for fleet in fleets.values():
        fleet.advance(now_s)
    wanted = controller.targets({name: fleet.observe(now_s) for name, fleet in fleets.items()})
    for name, target in wanted.items():
        scenario = loads[name].scenario
        bounded = min(max(target, scenario.min_replicas), scenario.max_replicas)
        if bounded != fleets[name].target:
            fleets[name].scale(bounded, now_s)


def _outcome(fleet: Fleet, trail: _Trail, duration_s: float) -> Outcome:
    fleet.advance(duration_s)
    paid_s = fleet.paid_s
    fleet.drain()
    last = fleet.observe(duration_s)
    return Outcome(
        requests=last.finished, late=last.late, paid_s=paid_s, cold_starts=fleet.cold_starts,
        target=trail.target, ready=trail.ready,
    )  # fmt: skip
