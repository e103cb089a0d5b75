"""The forecast that nothing changes."""

from dataclasses import dataclass

import numpy as np

from app.autoscaling.forecast.contract import known_mean
from app.autoscaling.history import CountHistory, Counts


@dataclass(frozen=True, slots=True)
class Persistence:
    """The mean of the last minutes goes on; it needs no fit, and every other forecaster is measured by it."""

    minutes: int = 3
    name: str = "persistence"

    def fit(self, history: CountHistory) -> "Persistence":
        """Itself: there is nothing to learn."""
        return self

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """The recent mean, repeated."""
        return np.full(minutes, known_mean(recent.latest(self.minutes)))
