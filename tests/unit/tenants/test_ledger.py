"""Accounts of several processes, kept in step through the store."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from fakes import FakeClock, settle

from app.cache_levels import CacheLevel
from app.config import AuthSettings, QuotaSettings
from app.errors import QuotaExceededError, StoreUnavailableError
from app.generation import ImageFormat, Picture, Receipt
from app.storage.tenants import MemoryTenantStore, News, StoredFile
from app.storage.tenants.memory import TenantMemory
from app.tenants.ledger import PRESENCE_S, Ledger
from app.tenants.notebook import Notebook


def picture(key: str = "a.png", *, cache: CacheLevel = CacheLevel.NONE, gpu_ms: float = 500.0) -> Picture:
    """A picture of ten bytes."""
    receipt = Receipt(variant="v", steps=4, cache=cache, gpu_ms=gpu_ms)
    return Picture(blob_key=key, width=8, height=8, image_format=ImageFormat.PNG, byte_count=10, receipt=receipt)


@dataclass(frozen=True, slots=True)
class Process:
    """One process's part."""

    ledger: Ledger
    notebook: Notebook
    store: MemoryTenantStore


class Town:
    """Processes that share a store and a clock."""

    def __init__(self, **quota: Any) -> None:
        self.clock = FakeClock(10_000.0)
        self._memory = TenantMemory()
        self._settings = AuthSettings(quota=QuotaSettings(**quota), usage_staleness_s=1.0)

    def process(self, name: str) -> Process:
        """One more."""
        store = MemoryTenantStore(self._memory, worker=name)
        notebook = Notebook(store)
        ledger = Ledger(store, self._settings, notebook=notebook, clock=self.clock, sleep=self.clock.sleep)
        return Process(ledger, notebook, store)


async def admitted(process: Process, count: int, *, tenant: str = "acme") -> int:
    """How many of so many queued requests may begin."""
    begun = 0
    for _ in range(count):
        try:
            await process.ledger.queued(tenant)
        except QuotaExceededError:
            continue
        begun += 1
    return begun


async def test_a_tenant_begins_as_many_as_it_may() -> None:
    """The next is refused with a time to come back, and another tenant is not."""
    process = Town(requests=3, window_s=60).process("a")

    assert await admitted(process, 5) == 3
    assert await admitted(process, 5, tenant="else") == 3
    with pytest.raises(QuotaExceededError) as caught:
        await process.ledger.queued("acme")
    assert caught.value.retry_after_s == 70.0


async def test_time_gives_back() -> None:
    """After the time that the refusal named, as many may begin again."""
    town = Town(requests=2, window_s=60)
    process = town.process("a")
    await admitted(process, 2)
    town.clock.now_s += 70.0

    assert await admitted(process, 5) == 2


async def test_processes_agree_within_the_staleness() -> None:
    """Together they admit at most what one may and what each began before it heard of the others."""
    town = Town(requests=10)
    one, other = town.process("a"), town.process("b")
    assert await admitted(one, 6) == 6
    assert await admitted(other, 6) == 4
    await one.notebook.flush()
    await other.notebook.flush()
    town.clock.now_s += 1.0

    assert await admitted(one, 5) == await admitted(other, 5) == 0


async def test_what_is_not_heard_yet_is_the_bound() -> None:
    """Two processes that begin in the same moment may exceed the quota by what the other began in that second."""
    town = Town(requests=4)
    one, other = town.process("a"), town.process("b")
    await one.ledger.usage("acme")
    await other.ledger.usage("acme")

    assert await admitted(one, 9) + await admitted(other, 9) <= 8


async def test_requests_at_once_are_counted_everywhere() -> None:
    """A direct request is under way as long as its block; those of other processes count."""
    town = Town(concurrent=2)
    one, other = town.process("a"), town.process("b")
    async with one.ledger.direct("acme"):
        await one.notebook.flush()
        async with other.ledger.direct("acme"):
            with pytest.raises(QuotaExceededError):
                async with other.ledger.direct("acme"):
                    pass
        await other.notebook.flush()
    await one.notebook.flush()
    town.clock.now_s += 1.0
    async with other.ledger.direct("acme"), other.ledger.direct("acme"):
        pass


async def test_a_dead_process_is_forgotten() -> None:
    """What it had under way counts for a time, unless it says so again."""
    town = Town(concurrent=1)
    dead, other = town.process("a"), town.process("b")
    async with dead.ledger.direct("acme"):
        await dead.notebook.flush()
        with pytest.raises(QuotaExceededError):
            await other.ledger.direct("acme").__aenter__()
        town.clock.now_s += PRESENCE_S + 1
        async with other.ledger.direct("acme"):
            pass


async def test_a_living_process_is_believed_for_longer() -> None:
    """While its ledger runs, what is under way stays known."""
    town = Town(concurrent=1)
    one, other = town.process("a"), town.process("b")
    running = asyncio.create_task(one.ledger.run())
    async with one.ledger.direct("acme"):
        for _ in range(5):
            await town.clock.advance(PRESENCE_S / 3)
        await settle()
        with pytest.raises(QuotaExceededError):
            await other.ledger.direct("acme").__aenter__()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_device_time_is_charged_when_it_was_spent() -> None:
    """Pictures from the cache, and those shared with work under way, cost nothing."""
    process = Town(gpu_seconds=1.0).process("a")
    process.ledger.made("acme", (picture("a.png"), picture("b.png", cache=CacheLevel.EXACT)))
    assert await admitted(process, 1) == 1
    process.ledger.made("acme", (picture("c.png"), picture("d.png", cache=CacheLevel.JOINED)))

    assert await admitted(process, 1) == 0
    assert (await process.ledger.usage("acme"))[1].gpu_s == 1.0


async def test_files_are_their_tenants() -> None:
    """They count until they are deleted or expire, and belong to who made them; others to this machine's callers."""
    town = Town(stored_bytes=25)
    process = town.process("a")
    process.ledger.made("acme", (picture("a.png"),))
    process.ledger.stored(StoredFile("b.png", "acme", 15, town.clock.now_s + 5))
    with pytest.raises(QuotaExceededError) as caught:
        await process.ledger.may_store("acme")
    owners = [await process.ledger.owns(tenant, "a.png") for tenant in ("acme", "else", "local")]
    town.clock.now_s += 5

    assert owners == [True, False, False]
    assert await process.ledger.owns("local", "unknown.png")
    assert caught.value.retry_after_s <= 5
    await process.ledger.may_store("acme")


async def test_callers_without_a_key_cost_nothing() -> None:
    """Nothing is noted, and no store is asked, where nothing is limited."""
    process = Town(requests=1).process("a")
    async with process.ledger.direct("local"):
        await process.ledger.queued("local")
    process.ledger.made("local", (picture(),))
    await process.notebook.flush()

    assert await process.store.owner("a.png") is None
    assert (await process.ledger.usage("local"))[1].requests == 0


class BrokenStore(MemoryTenantStore):
    """Cannot be reached while it is broken."""

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = True
        self.told: list[News] = []

    async def tell(self, news: News) -> None:
        """Remember what was told."""
        if self.is_broken:
            raise StoreUnavailableError("not now")
        self.told.append(news)


async def test_news_wait_for_the_store() -> None:
    """What could not be written down is written with the next news, in its order and no older count over a newer."""
    store = BrokenStore()
    notebook = Notebook(store)
    for number in range(3):
        notebook.note_file(StoredFile(f"{number}", "acme", number))
        await notebook.flush()
    store.is_broken = False
    await notebook.flush()

    assert [file.file_key for news in store.told for file in news.files] == ["0", "1", "2"]
