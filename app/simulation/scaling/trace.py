"""Counts of requests from a CSV file."""

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.autoscaling.history import MINUTE_S, CountHistory
from app.errors import ConfigurationError
from app.simulation.scaling.arrivals import Series, from_rates, interpolated

LONGEST_EXACT_BIN_S = 60


@dataclass(frozen=True, slots=True, eq=False)
class CountTrace:
    """Counts of equal bins, the first of which begins at `begins_s` since the epoch."""

    begins_s: float
    bin_s: float
    counts: NDArray[np.float64]

    @property
    def duration_s(self) -> float:
        """From the first bin's begin to the last one's end."""
        return len(self.counts) * self.bin_s

    def arrivals_s(self, *, seed: int) -> Series:
        """Poisson arrivals in seconds since the begin; rates of bins over a minute change linearly between them."""
        if self.bin_s > LONGEST_EXACT_BIN_S:
            return from_rates(interpolated(self.counts, bin_s=self.bin_s), seed=seed)
        return from_rates(np.repeat(self.counts / self.bin_s, max(1, round(self.bin_s))), seed=seed)


def split(arrivals_s: Series, *, begins_s: float, history_s: float) -> tuple[CountHistory, Series]:
    """The first part as history of whole minutes, the rest as arrivals since its end."""
    minutes = math.floor(history_s / MINUTE_S)
    is_later = arrivals_s >= minutes * MINUTE_S
    counts = np.bincount((arrivals_s[~is_later] // MINUTE_S).astype(int), minlength=minutes)
    history = CountHistory(math.floor(begins_s / MINUTE_S), counts.astype(float))
    return history, arrivals_s[is_later] - minutes * MINUTE_S


def read_counts(path: Path) -> CountTrace:
    """Read a CSV file with a header: a column of times, in seconds or as ISO dates, and a column `count`.

    Times without an offset are UTC; bins that are missing have the counts between their neighbours'. Raises
    ConfigurationError that names the file and the reason.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        times = np.array([_time_s(next(value for key, value in row.items() if key != "count")) for row in rows])
        counts = np.array([float(row["count"]) for row in rows])
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (KeyError, ValueError, TypeError, StopIteration) as error:
        raise ConfigurationError(f"{path}: needs a column of times and a column count with numbers") from error
    if len(times) < 2 or (np.diff(times) <= 0).any() or (counts < 0).any():
        raise ConfigurationError(f"{path}: needs at least two rows in the order of time, and no negative count")
    bin_s = float(np.min(np.diff(times)))
    grid = np.arange(times[0], times[-1] + bin_s / 2, bin_s)
    return CountTrace(float(times[0]), bin_s, np.interp(grid, times, counts))


def _time_s(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
