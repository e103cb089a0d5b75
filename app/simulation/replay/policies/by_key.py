"""A cache by key with one of the usual ways to make room."""

from app.cache.eviction import Entry
from app.simulation.replay.contract import Answer, Draw, Drawing, Hit, Made
from app.simulation.replay.policies.eviction import Eviction
from app.simulation.workload import Ask


class KeyedCache:
    """Answers a tenant's prompt and seed with the picture that it has for them; no seed is a seed like others."""

    def __init__(self, eviction: Eviction, *, max_bytes: int) -> None:
        self.name = f"exact, {eviction.name}"
        self._eviction = eviction
        self._max_bytes = max_bytes
        self._drawings: dict[str, Drawing] = {}
        self.byte_count = 0

    async def ask(self, ask: Ask) -> Answer:
        """The kept picture, or a new one."""
        key = _key(ask)
        if key not in self._drawings:
            return Draw()
        self._eviction.touch(key)
        return Hit(drawing=self._drawings[key], level="exact")

    async def begin(self, ask: Ask) -> None:
        """At noise."""

    async def learn(self, ask: Ask, made: Made) -> None:
        """Keep the picture, unless another was kept meanwhile."""
        key, drawing = _key(ask), made.drawing
        if key in self._drawings:
            return
        self._drawings[key] = drawing
        self.byte_count += drawing.byte_count
        self._eviction.insert(
            Entry(key=key, tenant=ask.tenant, byte_count=drawing.byte_count, gpu_ms=1000 * made.device_s)
        )
        while self.byte_count > self._max_bytes:
            self.byte_count -= self._drawings.pop(self._eviction.evict()).byte_count


def _key(ask: Ask) -> str:
    return f"{ask.tenant} {ask.seed} {ask.prompt}"
