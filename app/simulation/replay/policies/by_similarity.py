"""Caches that answer whenever a prompt is similar enough to a stored one, as the common products do."""

from collections import OrderedDict

from app.cache.index import GrowingIndex
from app.simulation.replay.contract import Answer, Artist, Draw, Drawing, Hit, Made
from app.simulation.workload import Ask


class ThresholdCache:
    """Serves the picture of the most similar prompt from a cosine of `threshold` on; it knows no seeds and no tenants.

    The one used longest ago gives way beyond `max_entries`.
    """

    def __init__(self, name: str, *, artist: Artist, threshold: float, max_entries: int | None = None) -> None:
        self.name = f"{name}, {threshold:.2f}"
        self._artist = artist
        self._threshold = threshold
        self._max_entries = max_entries
        self._index = GrowingIndex(artist.dimensions)
        self._kept: OrderedDict[str, Drawing] = OrderedDict()
        self._picture_bytes = 0

    @property
    def byte_count(self) -> int:
        """Pictures and vectors."""
        return self._picture_bytes + self._index.memory_bytes

    async def ask(self, ask: Ask) -> Answer:
        """The most similar prompt's picture, or a new one."""
        nearest = self._index.nearest(self._artist.vector(ask.prompt), 1)
        if not nearest or nearest[0].similarity < self._threshold:
            return Draw(waits_for_lookup=True)
        self._kept.move_to_end(nearest[0].key)
        return Hit(drawing=self._kept[nearest[0].key], level="similar")

    async def begin(self, ask: Ask) -> None:
        """At noise."""

    async def learn(self, ask: Ask, made: Made) -> None:
        """Keep the picture under its prompt."""
        drawing = made.drawing
        if drawing.key not in self._kept:
            self._picture_bytes += drawing.byte_count
        self._kept[drawing.key] = drawing
        self._index.put(drawing.key, self._artist.vector(ask.prompt))
        while self._max_entries is not None and len(self._kept) > self._max_entries:
            key, gone = self._kept.popitem(last=False)
            self._picture_bytes -= gone.byte_count
            self._index.remove(key)
