"""What is measured of the arrivals: how many, how they clump, and where they are going."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

STEP_S = 5
SPAN_S = 600
BIN_S = 30
_BIN_STEPS = BIN_S // STEP_S
_FEWEST_STEPS = 2


@dataclass(frozen=True, slots=True, eq=False)
class ArrivalWindow:
    """The total of arrivals at the end of every step of the last ten minutes; older ones are forgotten."""

    step: int
    totals: NDArray[np.float64]
    counter: int

    @classmethod
    def starting(cls, now_s: float, counter: int) -> Self:
        """Nothing known but the counter."""
        return cls(int(now_s // STEP_S), np.array([0.0]), counter)

    def advanced(self, now_s: float, counter: int) -> "ArrivalWindow":
        """With what the counter says now; steps that nobody saw share what was counted over them.

        A counter below the last one has started again at zero.
        """
        step = int(now_s // STEP_S)
        if step <= self.step:
            return self
        added = counter - self.counter if counter >= self.counter else counter
        shares = np.arange(1, step - self.step + 1) / (step - self.step)
        totals = np.concatenate([self.totals, self.totals[-1] + added * shares])
        return ArrivalWindow(step, totals[-(SPAN_S // STEP_S + 1) :], counter)

    @property
    def added(self) -> float:
        """Arrivals of the last step."""
        return float(self.totals[-1] - self.totals[-2]) if len(self.totals) > 1 else 0.0

    def rate_per_s(self, window_s: float) -> float:
        """The mean rate over the last `window_s`, or over what is known when that is less."""
        steps = min(round(window_s / STEP_S), len(self.totals) - 1)
        if steps == 0:
            return 0.0
        return float(self.totals[-1] - self.totals[-1 - steps]) / (max(steps, _FEWEST_STEPS) * STEP_S)

    def burstiness(self) -> "Burstiness":
        """The mean and the index of dispersion of the counts of half minutes."""
        return _burstiness(self)


@dataclass(frozen=True, slots=True)
class Burstiness:
    """Arrivals per second, and variance over mean of counts per half minute: 1 for Poisson, more for clumps."""

    mean_per_s: float
    dispersion: float

    @property
    def deviation_per_s(self) -> float:
        """One standard deviation of the rate over half a minute."""
        return math.sqrt(self.dispersion * self.mean_per_s / BIN_S)


@lru_cache(maxsize=64)
def _burstiness(window: ArrivalWindow) -> Burstiness:
    """Kept, because a window is asked for it at every decision until the next step."""
    counts = np.diff(window.totals[::-1][::_BIN_STEPS][::-1])
    if not len(counts) or not (mean := float(counts.mean())):
        return Burstiness(window.rate_per_s(BIN_S), 1.0)
    return Burstiness(mean / BIN_S, max(1.0, float(counts.var()) / mean))
