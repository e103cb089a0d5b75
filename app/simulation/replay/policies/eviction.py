"""Who gives way when a cache by key is full."""

from collections import Counter, OrderedDict
from typing import Protocol

from app.cache.eviction import Entry
from app.cache.eviction.greedy_dual import GreedyDual


class Eviction(Protocol):
    """An order of keys; `name` is that of the policy."""

    name: str

    def insert(self, entry: Entry) -> None:
        """Keep a key that is not kept."""
        ...

    def touch(self, key: str) -> None:
        """A kept key was used."""
        ...

    def evict(self) -> str:
        """Forget one key and name it; there is one."""
        ...


class LeastRecent:
    """LRU: what was used longest ago."""

    name = "LRU"

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()

    def insert(self, entry: Entry) -> None:
        """The most recent."""
        self._keys[entry.key] = None

    def touch(self, key: str) -> None:
        """The most recent again."""
        self._keys.move_to_end(key)

    def evict(self) -> str:
        """The least recent."""
        return self._keys.popitem(last=False)[0]


class LeastFrequent:
    """LFU: what was used least often while it was kept, of those the oldest."""

    name = "LFU"

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()

    def insert(self, entry: Entry) -> None:
        """Used once."""
        self._uses[entry.key] = 1

    def touch(self, key: str) -> None:
        """Once more."""
        self._uses[key] += 1

    def evict(self) -> str:
        """The least used."""
        key = min(self._uses, key=self._uses.__getitem__)
        del self._uses[key]
        return key


class QueueDemotion:
    """S3-FIFO: a small queue for newcomers, a main one for what came again, and a memory of who was sent away.

    J. Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023, with its parameters.
    """

    name = "S3-FIFO"

    def __init__(self) -> None:
        self._small: OrderedDict[str, None] = OrderedDict()
        self._main: OrderedDict[str, None] = OrderedDict()
        self._ghosts: OrderedDict[str, None] = OrderedDict()
        self._uses: Counter[str] = Counter()

    def insert(self, entry: Entry) -> None:
        """Into the main queue when it was sent away lately, else into the small one."""
        was_here = entry.key in self._ghosts
        self._ghosts.pop(entry.key, None)
        (self._main if was_here else self._small)[entry.key] = None

    def touch(self, key: str) -> None:
        """Counted up to three."""
        self._uses[key] = min(3, self._uses[key] + 1)

    def evict(self) -> str:
        """From the small queue while it is more than a tenth; what was used more than once there moves on."""
        while True:
            total = len(self._small) + len(self._main)
            if self._small and (len(self._small) > total / 10 or not self._main):
                key, _ = self._small.popitem(last=False)
                if self._uses.pop(key, 0) > 1:
                    self._main[key] = None
                    continue
                self._ghosts[key] = None
                while len(self._ghosts) > total:
                    self._ghosts.popitem(last=False)
                return key
            key, _ = self._main.popitem(last=False)
            if not self._uses[key]:
                del self._uses[key]
                return key
            self._uses[key] -= 1
            self._main[key] = None


class GreedyDualSize:
    """GDSF: what saves least per byte, of uses that grow old."""

    name = "GDSF"

    def __init__(self) -> None:
        self._kept = GreedyDual()

    def insert(self, entry: Entry) -> None:
        """Used once."""
        self._kept.insert(entry)

    def touch(self, key: str) -> None:
        """Once more."""
        self._kept.touch(key)

    def evict(self) -> str:
        """The least priority."""
        entry = self._kept.pop_least()
        if entry is None:
            raise LookupError("nothing is kept")
        return entry.key
