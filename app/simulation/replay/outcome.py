"""What a policy made of a stream."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import beta

from app.simulation.workload import Ask

DRAWN = "drawn"
RESUMED = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A request that was answered: from which level, after how long, rightly or not, and whether it was seen before.

    `same_again` tells that the caller asked for another picture of the same words and got one that was there before.
    """

    ask: Ask
    level: str
    latency_s: float
    right: bool
    same_again: bool = False


@dataclass(slots=True)
class Outcome:
    """All that was served, the device seconds that it took, and the most bytes that were kept."""

    policy: str
    served: list[Served] = field(default_factory=list)
    device_s: float = 0.0
    most_bytes: int = 0

    @property
    def levels(self) -> Counter[str]:
        """How many requests were answered from each level."""
        return Counter(each.level for each in self.served)

    def of(self, *levels: str) -> list[Served]:
        """Those that were answered from these levels."""
        return [each for each in self.served if each.level in levels]

    @property
    def hits(self) -> list[Served]:
        """Those that got a picture which was made for another request."""
        return [each for each in self.served if each.level not in (DRAWN, RESUMED)]

    @property
    def latencies_s(self) -> tuple[float, float]:
        """The mean and the 99th percentile."""
        values = [each.latency_s for each in self.served]
        return float(np.mean(values)), float(np.percentile(values, 99))

    @property
    def same_again(self) -> int:
        """How many who asked for another picture got the same one."""
        return sum(each.same_again for each in self.served)


def wrong_among(served: Iterable[Served]) -> tuple[int, int]:
    """How many of them were judged wrong, and how many they are."""
    verdicts = [each.right for each in served]
    return verdicts.count(False), len(verdicts)


def interval(wrong: int, count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The rates that Clopper and Pearson's two-sided interval leaves possible; all of them without any case."""
    rest = (1 - confidence) / 2
    low = float(beta.ppf(rest, wrong, count - wrong + 1)) if wrong else 0.0
    high = float(beta.ppf(1 - rest, wrong + 1, count - wrong)) if wrong < count else 1.0
    return low, high
