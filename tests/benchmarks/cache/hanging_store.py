"""What a shared store that has stopped answering costs requests, and how soon it is used again once it answers.

    python tests/benchmarks/cache/hanging_store.py

One gateway looks up keys that only the store could know: while the store answers, from the moment it hangs, and after
it answers again. Waits are those of `cache.timeout_s`; the breaker is the one that every gateway has.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterable

from rich.console import Console
from rich.table import Table

from app.cache.levels import PictureLevels
from app.cache.origin import Origin
from app.cache_levels import CacheLevel
from app.caching import open_levels
from app.config import CacheSettings
from app.errors import NotFoundError

ORIGIN = Origin(tenant="ann", revision="1", prompt="a dot")
REQUESTS = 2_000
PAUSE_S = 0.002
HANGS_S = 6.0


class Store:
    """Knows nothing; while it `hangs`, it says not even that. Its calls are counted."""

    def __init__(self) -> None:
        self.hangs = False
        self.calls = 0

    async def read(self, key: str) -> bytes:
        """The bytes under the key."""
        self.calls += 1
        await self._answer()
        raise NotFoundError("no such file")

    async def exists(self, key: str) -> bool:
        """Whether there are any."""
        await self._answer()
        return False

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes."""
        await self._answer()

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes where none are."""
        await self._answer()
        return True

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives."""
        await self._answer()

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """Some of the bytes."""
        return (await self.read(key))[start:stop]

    async def size(self, key: str) -> int:
        """How many bytes there are."""
        return len(await self.read(key))

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key below the folder."""
        await self._answer()
        return ()

    async def delete(self, key: str) -> None:
        """Forget the key."""
        await self._answer()

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """None: nobody else reads here."""
        return None

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(HANGS_S)


async def waits_ms(levels: PictureLevels, count: int) -> list[float]:
    """How long so many look-ups waited, one after the other."""
    waits = []
    for number in range(count):
        readable = ((f"exact {number}", CacheLevel.EXACT), (f"words {number}", CacheLevel.CANONICAL))
        started_s = time.perf_counter()
        await levels.find(readable, origin=ORIGIN, asker="bob")
        waits.append((time.perf_counter() - started_s) * 1000)
        await asyncio.sleep(PAUSE_S)
    return waits


async def measured() -> tuple[dict[str, tuple[list[float], int]], float]:
    """Waits and calls of the store while it answers and while it hangs; how long it answers until it is asked again."""
    store, parts = Store(), {}
    levels = open_levels(CacheSettings(), store)
    for name, hangs in (("answers", False), ("hangs", True)):
        store.hangs, store.calls = hangs, 0
        parts[name] = await waits_ms(levels, REQUESTS), store.calls
    store.hangs, store.calls = False, 0
    answers_s = time.perf_counter()
    while not store.calls:
        await waits_ms(levels, 1)
    asked_again_s = time.perf_counter() - answers_s
    await levels.close()
    return parts, asked_again_s


def main() -> None:
    """Measure and print."""
    parts, asked_again_s = asyncio.run(measured())
    columns = ("the store", "requests", "that waited 40 ms or more", "longest ms", "median ms", "calls of the store")
    table = Table(*columns, title="Look-ups of two keys each, one request after the other")
    for name, (waits, calls) in parts.items():
        slow = sum(wait_ms >= 40 for wait_ms in waits)
        longest, median = max(waits), statistics.median(waits)
        table.add_row(name, str(len(waits)), str(slow), f"{longest:.1f}", f"{median:.3f}", str(calls))
    console = Console(width=120)
    console.print(table)
    console.print(f"Asked again {asked_again_s:.1f} s after it could answer; each try in vain doubles the pause.")


if __name__ == "__main__":
    main()
