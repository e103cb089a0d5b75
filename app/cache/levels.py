"""The levels below each other: this process's memory, this machine's disk, and the store that all share."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.background import BackgroundTasks
from app.cache.call_guard import CallGuard
from app.cache.exact import Blobs, ExactCache
from app.cache.origin import Origin
from app.cache.rows import PictureRows, Row, short_digest
from app.cache.takedown import Takedown
from app.cache_levels import CacheLevel
from app.generation import Picture

Readable = Sequence[tuple[str, CacheLevel]]
_MOST_SEEN_BY = 1000


class PictureLevels:
    """Pictures by key at every level. What is found further away is remembered nearer.

    One look-up waits for all the files that it needs as long as `guard` lets it, then goes on without. Rows are written
    behind, and waited for by nobody.
    """

    def __init__(
        self,
        *,
        memory: ExactCache,
        blobs: Blobs,
        guard: CallGuard,
        nearby: PictureRows | None = None,
        shared: PictureRows | None = None,
    ) -> None:
        self._memory = memory
        self._blobs = blobs
        self._guard = guard
        named = {"disk": nearby, "shared": shared}
        self._below = {name: rows for name, rows in named.items() if rows is not None}
        self._behind = BackgroundTasks()

    @property
    def memory(self) -> ExactCache:
        """The first level."""
        return self._memory

    async def find(self, readable: Readable, *, origin: Origin, asker: str) -> tuple[Picture, CacheLevel] | None:
        """The first picture under one of the keys, in their order at each level.

        One that this asker has seen in these words answers it by no other key than the exact one.
        """
        return await self._guard.ask(partial(self._find, readable, origin, asker), otherwise=None)

    def put(
        self, keys: Sequence[str], picture: Picture, *, origin: Origin, asker: str, outlives_process: bool = True
    ) -> None:
        """Remember the picture under each of the keys: at every level, or in memory alone."""
        for key in keys:
            self._memory.put(key, picture, tenant=origin.tenant, origin=origin)
        rows = [Row(key=key, origin=origin, picture=picture, seen_by=(_seen(asker, origin),)) for key in keys]
        if outlives_process and self._below and not self._guard.is_open:
            self._behind.start(self._write(rows))

    def note(self, readable: Readable, *, origin: Origin, asker: str) -> None:
        """Whoever was answered with a picture without having been drawn one is known to the others too."""
        for key, level in readable:
            if level is CacheLevel.CANONICAL and self._below:
                self._behind.start(self._note(key, origin, asker))

    async def purge(self, takedown: Takedown) -> tuple[Picture, ...]:
        """Forget what is meant at every level of this process and below; the different pictures that were."""
        gone = list(self._memory.discard_matching(takedown.matches))
        await self._behind.rest()
        for rows in self._below.values():
            gone += [row.picture for row in await rows.purge(takedown)]
        return tuple({picture.blob_key: picture for picture in gone}.values())

    async def counts(self) -> dict[str, int]:
        """How many keys each level knows, by its name: memory first."""
        return {"memory": len(self._memory)} | {name: await rows.count() for name, rows in self._below.items()}

    async def rest(self) -> None:
        """Wait until everything is written."""
        await self._behind.rest()

    async def close(self) -> None:
        """Write what waits to be written, as far as that can be done now."""
        if not self._guard.is_open:
            await self._behind.rest()
        await self._behind.close()
        await self._guard.close()

    async def _find(self, readable: Readable, origin: Origin, asker: str) -> tuple[Picture, CacheLevel] | None:
        for key, level in readable:
            picture = await self._memory.get(key)
            if picture is not None:
                self.note(((key, level),), origin=origin, asker=asker)
                return picture, level
        for rows in self._below.values():
            found = await asyncio.gather(*(self._row(rows, key, origin) for key, _ in readable))
            for row, (_, level) in zip(found, readable, strict=True):
                if row is not None and (level is CacheLevel.EXACT or _seen(asker, origin) not in row.seen_by):
                    self._bring_up(row, level, asker=asker, origin=origin)
                    return row.picture, level
        return None

    async def _row(self, rows: PictureRows, key: str, origin: Origin) -> Row | None:
        """The row, unless its picture's file is gone; then it goes too."""
        row = await rows.get(key, origin)
        if row is None or await self._blobs.exists(row.picture.blob_key):
            return row
        await rows.discard(key, origin)
        return None

    def _bring_up(self, row: Row, level: CacheLevel, *, asker: str, origin: Origin) -> None:
        """Into memory, and into the levels above; whoever sees another one's picture now is known below."""
        self._memory.put(row.key, row.picture, tenant=row.origin.tenant, origin=row.origin)
        self._behind.start(self._write([row if level is CacheLevel.EXACT else _with_asker(row, asker, origin)]))

    async def _note(self, key: str, origin: Origin, asker: str) -> None:
        row = await tuple(self._below.values())[-1].get(key, origin)
        if row is not None:
            await self._write([_with_asker(row, asker, origin)])

    async def _write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for level in self._below.values():
                await level.put(row)


def _with_asker(row: Row, asker: str, origin: Origin) -> Row:
    seen_by = dict.fromkeys((*row.seen_by, _seen(asker, origin)))
    return replace(row, seen_by=tuple(seen_by)[-_MOST_SEEN_BY:])


def _seen(asker: str, origin: Origin) -> str:
    """Who has seen a picture in which words, as a name that tells neither."""
    return short_digest(f"{asker}\n{origin.prompt}")
