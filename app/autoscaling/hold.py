"""How long a peak is remembered, learned from the silences between bursts."""

from dataclasses import dataclass

import numpy as np

SILENCE_S = 30
SHORTEST_S, USUAL_S, LONGEST_S = 300, 900, 1800
_FEWEST, _MOST = 5, 64
_QUANTILE, _MARGIN = 0.95, 1.1


@dataclass(frozen=True, slots=True)
class Silences:
    """How long the load was silent, each time; the last arrival."""

    last_arrival_s: float
    lengths_s: tuple[float, ...] = ()

    def heard(self, now_s: float) -> "Silences":
        """After an arrival; a pause of half a minute and more counts as a silence."""
        silent_s = now_s - self.last_arrival_s
        if silent_s < SILENCE_S:
            return Silences(now_s, self.lengths_s)
        return Silences(now_s, (*self.lengths_s, silent_s)[-_MOST:])

    @property
    def hold_s(self) -> int:
        """Longer than nineteen of twenty silences, within bounds; a usual time while few are known."""
        if len(self.lengths_s) < _FEWEST:
            return USUAL_S
        learned_s = _MARGIN * float(np.quantile(self.lengths_s, _QUANTILE))
        return round(min(max(learned_s, SHORTEST_S), LONGEST_S))


@dataclass(frozen=True, slots=True)
class RecentPeaks:
    """The peaks of what was wanted, as pairs of a time and a number that was not exceeded after it."""

    peaks: tuple[tuple[float, int], ...] = ()

    def wanted(self, now_s: float, replicas: int) -> "RecentPeaks":
        """With what is wanted now."""
        kept = self.peaks
        while kept and kept[-1][1] <= replicas:
            kept = kept[:-1]
        while kept and kept[0][0] < now_s - LONGEST_S:
            kept = kept[1:]
        return RecentPeaks((*kept, (now_s, replicas)))

    def highest(self, since_s: float) -> int:
        """The most that was wanted since then; zero when nothing was."""
        return next((replicas for at_s, replicas in self.peaks if at_s >= since_s), 0)
