"""Requests per minute as far back as they are known; what nobody counted is a gap, never a zero."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
MINUTE_S = 60
DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True, eq=False)
class CountHistory:
    """Counts of consecutive minutes, the first of which is `first_minute` since the epoch; NaN marks a gap."""

    first_minute: int
    counts: Counts

    @classmethod
    def empty(cls) -> Self:
        """Nothing known."""
        return cls(0, np.empty(0))

    @property
    def next_minute(self) -> int:
        """The minute after the last one."""
        return self.first_minute + len(self.counts)

    @property
    def known_minutes(self) -> int:
        """How many minutes were counted."""
        return int(np.count_nonzero(~np.isnan(self.counts)))

    def counted(self, at_s: float, count: float, *, keep_days: int = 28) -> "CountHistory":
        """With the count of the minute that holds `at_s`; minutes that were left out become gaps.

        A minute that is known already keeps its count; the oldest minutes beyond `keep_days` go.
        """
        minute = math.floor(at_s / MINUTE_S)
        if not len(self.counts) or minute - self.next_minute >= keep_days * DAY_MINUTES:
            return CountHistory(minute, np.array([float(count)]))
        if minute < self.next_minute:
            return self
        gap = np.full(minute - self.next_minute, np.nan)
        counts = np.concatenate([self.counts, gap, [float(count)]])[-keep_days * DAY_MINUTES :]
        return CountHistory(minute + 1 - len(counts), counts)

    def until(self, minute: int) -> "CountHistory":
        """What was known before a minute since the epoch."""
        return CountHistory(self.first_minute, self.counts[: max(0, minute - self.first_minute)])

    def latest(self, minutes: int) -> Counts:
        """The last `minutes` counts, or as many as there are."""
        return self.counts[max(0, len(self.counts) - minutes) :]
