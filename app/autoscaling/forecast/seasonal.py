"""The forecast that today is like an earlier day."""

from dataclasses import dataclass

import numpy as np

from app.autoscaling.forecast.contract import column_means
from app.autoscaling.history import DAY_MINUTES, CountHistory, Counts

_WEEK = 7


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """The same minutes of the same weekday last week, or of yesterday while a week is not known."""

    blur_minutes: int = 5
    name: str = "seasonal"

    def fit(self, history: CountHistory) -> "FittedSeason":
        """The history itself, blurred by a few minutes."""
        days = _WEEK if len(history.counts) > _WEEK * DAY_MINUTES else 1
        return FittedSeason(history, period=days * DAY_MINUTES, blur=self.blur_minutes)


@dataclass(frozen=True, slots=True, eq=False)
class FittedSeason:
    """One period to be repeated."""

    history: CountHistory
    period: int
    blur: int

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """One period ago, minute by minute."""
        begin = recent.next_minute - self.history.first_minute - self.period
        shifts = np.arange(-(self.blur // 2), self.blur // 2 + 1)
        places = begin + np.arange(minutes) + shifts[:, None]
        counts = self.history.counts
        inside = (places >= 0) & (places < len(counts))
        if not inside.any():
            return np.full(minutes, np.nan)
        return column_means(np.where(inside, counts[np.clip(places, 0, len(counts) - 1)], np.nan))
