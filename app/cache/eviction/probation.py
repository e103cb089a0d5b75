"""Admission after probation: most pictures are asked for once, and should push out nothing.

After J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023
(S3-FIFO), with a main part that is ordered by worth instead of a queue.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from typing import Final

from app.cache.eviction.contract import Entry
from app.cache.eviction.greedy_dual import GreedyDual

_PROBATION_SHARE: Final = 0.1
_COSTS: Final = 1001
_GHOSTS: Final = 64


class _Costs:
    """What the entries seen last cost, for the median."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, cost: float) -> None:
        self._recent.append(cost)
        insort(self._sorted, cost)
        if len(self._recent) > _COSTS:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]

    def are_mostly_below(self, cost: float) -> bool:
        return bool(self._sorted) and cost > self._sorted[len(self._sorted) // 2]


class ProbationCache:
    """The entries of one tenant. It never evicts by itself: `evict` names the one to forget."""

    def __init__(self) -> None:
        self._probation: OrderedDict[str, Entry] = OrderedDict()
        self._uses: dict[str, int] = {}
        self._main = GreedyDual()
        self._ghosts: OrderedDict[str, None] = OrderedDict()
        self._costs = _Costs()
        self.byte_count = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._main)

    def insert(self, entry: Entry) -> None:
        """Keep the entry: on probation, unless it was evicted from there not long ago.

        One under the same key gives it its place and its uses.
        """
        self._costs.add(entry.gpu_ms)
        self.byte_count += entry.byte_count
        if entry.key in self._probation:
            self.byte_count -= self._probation[entry.key].byte_count
            self._probation[entry.key] = entry
        elif entry.key in self._main:
            self.byte_count -= self._main.replace(entry).byte_count
        elif entry.key in self._ghosts:
            del self._ghosts[entry.key]
            self._main.insert(entry)
        else:
            self._probation[entry.key] = entry
            self._uses[entry.key] = 0

    def touch(self, key: str) -> None:
        """Count one use; unknown keys are ignored."""
        if key in self._probation:
            self._uses[key] += 1
        elif key in self._main:
            self._main.touch(key)

    def discard(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        entry = self._probation.pop(key, None) or self._main.discard(key)
        self._uses.pop(key, None)
        if entry is not None:
            self.byte_count -= entry.byte_count

    def evict(self) -> str | None:
        """Forget one entry and name its key; None when there is none.

        Probation ends with the oldest while it holds more than its share; whoever was used there, or cost more than
        most, moves on to the main part instead.
        """
        while len(self._probation) > _PROBATION_SHARE * len(self) or not len(self._main):
            if not self._probation:
                return None
            key, entry = self._probation.popitem(last=False)
            uses = self._uses.pop(key)
            if not uses and not self._costs.are_mostly_below(entry.gpu_ms):
                self._remember(key)
                return self._gone(entry)
            self._main.insert(entry, uses=1 + uses)
        least = self._main.pop_least()
        return None if least is None else self._gone(least)

    def _gone(self, entry: Entry) -> str:
        self.byte_count -= entry.byte_count
        return entry.key

    def _remember(self, key: str) -> None:
        self._ghosts[key] = None
        while len(self._ghosts) > max(_GHOSTS, len(self)):
            self._ghosts.popitem(last=False)
