"""Keeps what saves most for its size: GreedyDual-Size-Frequency.

L. Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching policy", HP Labs HPL-98-69R1
(1998): an entry's priority is its frequency times its worth, on top of the priority that was evicted last, so that what
was popular long ago grows old.
"""

import heapq
import itertools

from app.cache.eviction.contract import Entry


class GreedyDual:
    """Entries by priority; of equal ones, the one touched longest ago is the least."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._uses: dict[str, int] = {}
        self._ranks: dict[str, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._age = 0.0
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def insert(self, entry: Entry, *, uses: int = 1) -> None:
        """Keep the entry, which has been used so often."""
        self._entries[entry.key] = entry
        self._uses[entry.key] = uses
        self._rank(entry)

    def replace(self, entry: Entry) -> Entry:
        """Put the entry in the place of the one under its key, which is returned."""
        before = self._entries[entry.key]
        self._entries[entry.key] = entry
        self._rank(entry)
        return before

    def touch(self, key: str) -> None:
        """Count one more use."""
        self._uses[key] += 1
        self._rank(self._entries[key])

    def discard(self, key: str) -> Entry | None:
        """Forget the key; its entry, where there was one."""
        self._ranks.pop(key, None)
        self._uses.pop(key, None)
        return self._entries.pop(key, None)

    def pop_least(self) -> Entry | None:
        """Forget the entry of the least priority; None when there is none."""
        while self._heap:
            priority, order, key = heapq.heappop(self._heap)
            if self._ranks.get(key) == (priority, order):
                self._age = priority
                return self.discard(key)
        return None

    def _rank(self, entry: Entry) -> None:
        rank = self._ranks[entry.key] = (self._age + self._uses[entry.key] * entry.worth, next(self._order))
        heapq.heappush(self._heap, (*rank, entry.key))
        if len(self._heap) > 2 * len(self._ranks) + 64:
            self._heap = [(*rank, key) for key, rank in self._ranks.items()]
            heapq.heapify(self._heap)
