"""The forecast of a few waves per day and per week."""

from dataclasses import dataclass

import numpy as np

from app.autoscaling.history import DAY_MINUTES, CountHistory, Counts

_WEEK_MINUTES = 7 * DAY_MINUTES
_BIN_MINUTES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmonic:
    """Ridge regression of the square root of the counts, whose noise does not grow with load, on sines and cosines.

    Newer days count more; the week's waves come in after a week.
    """

    daily: int = 8
    weekly: int = 3
    ridge: float = 1.0
    half_life_days: float = 7.0
    name: str = "harmonic"

    def fit(self, history: CountHistory) -> "FittedWaves":
        """The waves that fit best; all zero when nothing is known."""
        weekly = self.weekly if len(history.counts) >= _WEEK_MINUTES else 0
        waves = [
            *(k / DAY_MINUTES for k in range(1, self.daily + 1)),
            *(k / _WEEK_MINUTES for k in range(1, weekly + 1)),
        ]
        frequencies = np.array(waves)
        minutes, roots = _binned_roots(history)
        weights = 0.5 ** ((history.next_minute - minutes) / (self.half_life_days * DAY_MINUTES))
        features = _features(minutes, frequencies)
        weighted = features * weights[:, None]
        penalty = self.ridge * np.eye(features.shape[1])
        coefficients = np.linalg.solve(weighted.T @ features + penalty, weighted.T @ roots).astype(np.float64)
        return FittedWaves(frequencies, coefficients, len(roots))


@dataclass(frozen=True, slots=True, eq=False)
class FittedWaves:
    """Frequencies in waves per minute, and what each adds."""

    frequencies: Counts
    coefficients: Counts
    observations: int

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """The sum of the waves, squared back into counts."""
        if self.observations * _BIN_MINUTES < DAY_MINUTES:
            return np.full(minutes, np.nan)
        ahead = recent.next_minute + np.arange(minutes, dtype=float)
        return np.square(np.maximum(_features(ahead, self.frequencies) @ self.coefficients, 0.0))


def _binned_roots(history: CountHistory) -> tuple[Counts, Counts]:
    """The middle minutes of complete bins, and the square roots of their mean counts."""
    bins = len(history.counts) // _BIN_MINUTES
    means = history.counts[len(history.counts) - bins * _BIN_MINUTES :].reshape(bins, _BIN_MINUTES).mean(axis=1)
    middles = history.next_minute - (np.arange(bins, 0, -1) - 0.5) * _BIN_MINUTES
    known = ~np.isnan(means)
    return middles[known], np.sqrt(means[known])


def _features(minutes: Counts, frequencies: Counts) -> Counts:
    angles = 2 * np.pi * minutes[:, None] * frequencies[None, :]
    return np.hstack([np.ones((len(minutes), 1)), np.sin(angles), np.cos(angles)])
