"""The forecast of a daily profile around a level that follows the last minutes."""

from dataclasses import dataclass

import numpy as np

from app.autoscaling.forecast.contract import column_means, known_mean
from app.autoscaling.history import DAY_MINUTES, CountHistory, Counts

_BLUR = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialSmoothing:
    """Holt and Winters' idea without their recursion: profile and level are averages with exponential weights.

    The season multiplies the level, and newer days weigh more by `1 / (1 - season_gain)` each.
    """

    season_gain: float = 0.3
    level_minutes: int = 10
    name: str = "smoothing"

    def fit(self, history: CountHistory) -> "FittedProfile":
        """The profile of a day, relative to its mean."""
        days = len(history.counts) // DAY_MINUTES
        if days == 0:
            return FittedProfile(np.full(DAY_MINUTES, np.nan), self.level_minutes)
        table = history.counts[len(history.counts) - days * DAY_MINUTES :].reshape(days, DAY_MINUTES)
        weights = np.where(np.isnan(table), 0.0, ((1 - self.season_gain) ** np.arange(days)[::-1])[:, None])
        totals = np.maximum(weights.sum(axis=0), 1e-12)
        profile = np.where(weights.any(axis=0), (np.nan_to_num(table) * weights).sum(axis=0) / totals, np.nan)
        return FittedProfile(np.roll(_blurred(profile), history.next_minute % DAY_MINUTES), self.level_minutes)


@dataclass(frozen=True, slots=True, eq=False)
class FittedProfile:
    """Counts of every minute of a day, and over how many minutes the level is taken."""

    profile: Counts
    level_minutes: int

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """The profile of the coming minutes, times how the last minutes compare with theirs."""
        past = recent.latest(self.level_minutes)
        expected = self._profile(recent.next_minute - len(past), len(past))
        usual, seen = known_mean(expected[~np.isnan(past)]), known_mean(past)
        level = (seen + 1.0) / (usual + 1.0)
        return level * self._profile(recent.next_minute, minutes)

    def _profile(self, first_minute: int, minutes: int) -> Counts:
        return self.profile[(first_minute + np.arange(minutes)) % DAY_MINUTES]


def _blurred(profile: Counts) -> Counts:
    shifted = [np.roll(profile, shift) for shift in range(-(_BLUR // 2), _BLUR // 2 + 1)]
    return column_means(np.array(shifted))
