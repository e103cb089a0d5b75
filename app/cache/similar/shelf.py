"""The namespaces that one process has in memory, and how each comes there."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from app.background import BackgroundTasks
from app.cache.call_guard import CallGuard
from app.cache.index.contract import Vector
from app.cache.similar.batching import BatchedEncoder
from app.cache.similar.policy import SimilarityPolicy
from app.cache.similar.question import Namespace
from app.cache.similar.rows import KeptEntry, SimilarRows
from app.cache.similar.shard import Entry, Shard

Admit = Callable[[Namespace, Entry, Vector], Awaitable[None]]
LONGEST_LOADING_S = 600.0
# What the verifier's rules make of a nominee: other rules are another population, which has to be shown anew.
_RULES = 1


@dataclass(slots=True)
class _Place:
    """A namespace in memory, the locks of those who write to its index and of those who keep its records."""

    namespace: Namespace
    shard: Shard
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    keeping: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_ready: bool = False
    is_being_kept: bool = False


class ShardShelf:
    """Brings a namespace in when it is first asked for: its entries and what its bands have earned.

    Until that is done it can be added to, and answers nobody. One that could not be read is read again when it is asked
    for again, but a store that fails is left alone for a while. Beyond `max_namespaces` the one asked for longest ago
    leaves memory; what is kept of it stays.
    """

    def __init__(
        self,
        *,
        encoder: BatchedEncoder,
        judge_revision: str,
        policy: Callable[[str], SimilarityPolicy],
        rows: SimilarRows,
        admit: Admit,
        let_go: Callable[[Namespace, Shard], None],
        max_namespaces: int,
    ) -> None:
        self._encoder = encoder
        self._judge_revision = judge_revision
        self._policy = policy
        self._rows = rows
        self._admit = admit
        self._let_go = let_go
        self._max_namespaces = max_namespaces
        self._guard = CallGuard("what is kept of namespaces", timeout_s=LONGEST_LOADING_S)
        self._places: OrderedDict[Namespace, _Place] = OrderedDict()
        self.loading = BackgroundTasks()

    @property
    def shards(self) -> tuple[tuple[Namespace, Shard], ...]:
        """Every namespace in memory."""
        return tuple((namespace, place.shard) for namespace, place in self._places.items())

    def shard(self, namespace: Namespace) -> Shard:
        """The namespace, which begins to come into memory where it is not there."""
        place = self._places.get(namespace)
        if place is None:
            shard = Shard(dimensions=self._encoder.dimensions, policy=self._policy(namespace.tenant))
            place = self._places[namespace] = _Place(namespace, shard)
            self.loading.start(self._load(place))
            self._make_room()
        self._places.move_to_end(namespace)
        return place.shard

    def is_ready(self, namespace: Namespace) -> bool:
        """Whether everything that was kept of the namespace is in memory."""
        return namespace in self._places and self._places[namespace].is_ready

    async def write(self, namespace: Namespace, change: Callable[[], object]) -> None:
        """Change the namespace's index in a thread, one at a time."""
        self.shard(namespace)
        async with self._places[namespace].writing:
            await asyncio.to_thread(change)

    def drop_if_empty(self, namespace: Namespace) -> None:
        """Let go of a namespace without entries; what it has earned is kept."""
        place = self._places.get(namespace)
        if place is not None and place.is_ready and not len(place.shard) and not place.is_being_kept:
            del self._places[namespace]

    def keep_standings(self, namespace: Namespace, tasks: BackgroundTasks) -> None:
        """Write what the bands have shown, once for all changes until that begins."""
        place = self._places[namespace]
        if not place.is_being_kept:
            place.is_being_kept = True
            tasks.start(self._keep(place))

    def _make_room(self) -> None:
        idle = [place for place in self._places.values() if place.is_ready and not place.is_being_kept]
        for place in idle[: max(0, len(self._places) - self._max_namespaces)]:
            del self._places[place.namespace]
            self._let_go(place.namespace, place.shard)

    async def _keep(self, place: _Place) -> None:
        async with place.keeping:
            place.is_being_kept = False
            await self._rows.put_standings(place.namespace, self._basis(place.shard), place.shard.standings)

    async def _load(self, place: _Place) -> None:
        place.is_ready = await self._guard.ask(partial(self._read, place), otherwise=False)
        if not place.is_ready:
            self._places.pop(place.namespace, None)

    async def _read(self, place: _Place) -> bool:
        place.shard.resume(await self._rows.standings(place.namespace, self._basis(place.shard)))
        for kept in await self._rows.entries(place.namespace):
            await self._bring_in(kept)
        return True

    async def _bring_in(self, kept: KeptEntry) -> None:
        vector: Vector | None = kept.direction.astype(np.float32)
        if kept.encoder != self._encoder.revision:
            vector = await self._encoder.vector(kept.entry.prompt)
        if vector is not None:
            await self._admit(kept.namespace, kept.entry, vector)

    def _basis(self, shard: Shard) -> str:
        """On what an audited population depends, apart from its requests."""
        policy = shard.policy
        parts = (_RULES, self._encoder.revision, self._judge_revision, policy.floors, policy.rule)
        return hashlib.sha256(repr(parts).encode()).hexdigest()
