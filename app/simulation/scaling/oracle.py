"""The cheapest plan found by someone who knows every arrival, and the cheapest fixed number of replicas."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from app.autoscaling.observation import Observation
from app.simulation.scaling.controller import static
from app.simulation.scaling.outcome import Outcome
from app.simulation.scaling.simulate import Load, simulate_one

WINDOWS_S = (12, 20, 40)
HEADROOM = (0.4, 3.0)
HALVINGS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """A load to be served by plans made in hindsight, so that `attainment` of it is in time."""

    load: Load
    duration_s: float
    seed: int
    attainment: float = 0.99

    def cheapest_plan(self) -> Outcome:
        """The cheapest of a family of plans: capacity follows the known arrivals, smoothed and scaled.

        Replicas are ordered one slowest start of machine and replica ahead, which also keeps them through gaps shorter
        than that. The family is not all plans, so this is slightly dearer than the best that is possible; it is never
        dearer than the cheapest fixed number.
        """
        found = [outcome for window_s in WINDOWS_S if (outcome := self._least_headroom(window_s)) is not None]
        if not found:
            return self.cheapest_static()
        plan = min(found, key=lambda outcome: outcome.paid_s)
        equally_dear = max(1, math.floor(plan.paid_s / self.duration_s))
        return self.cheapest_static() if self._suffices(self._run(static(equally_dear))) else plan

    def cheapest_static(self) -> Outcome:
        """The fewest replicas that suffice when their number never changes."""
        scenario = self.load.scenario
        few, many = scenario.min_replicas, scenario.max_replicas
        while few < many:
            middle = (few + many) // 2
            few, many = (few, middle) if self._suffices(self._run(static(middle))) else (middle + 1, many)
        return self._run(static(many))

    def _least_headroom(self, window_s: int) -> Outcome | None:
        low, high = HEADROOM
        best: Outcome | None = None
        for _ in range(HALVINGS):
            headroom = math.sqrt(low * high)
            outcome = self._run(self._follow(window_s, headroom))
            if self._suffices(outcome):
                best, high = outcome, headroom
            else:
                low = headroom
        return best

    def _follow(self, window_s: int, headroom: float) -> Callable[[Observation], int]:
        plan = self._plan(window_s, headroom)
        return lambda seen: int(plan[min(int(seen.now_s), len(plan) - 1)])

    def _plan(self, window_s: int, headroom: float) -> NDArray[np.int64]:
        """Replicas to have ordered at each second."""
        scenario = self.load.scenario
        seconds = math.ceil(self.duration_s)
        counts, _ = np.histogram(self.load.arrivals_s, bins=np.arange(seconds + 1))
        padded = np.pad(counts, (window_s - 1, 0))
        rates = sliding_window_view(padded, window_s).mean(axis=1)
        needed = np.ceil(headroom * rates / scenario.throughput_per_s).astype(int)
        ahead = math.ceil(scenario.slowest_start_s + (scenario.nodes.start_s if scenario.nodes else 0.0))
        return np.asarray(sliding_window_view(np.pad(needed, (0, ahead), mode="edge"), ahead + 1).max(axis=1))

    def _suffices(self, outcome: Outcome) -> bool:
        return outcome.attainment >= self.attainment

    def _run(self, rule: Callable[[Observation], int]) -> Outcome:
        return simulate_one(self.load, rule, duration_s=self.duration_s, seed=self.seed)
