"""PictureLevels: memory, disk and the shared store below each other."""

import asyncio

import pytest
from fakes import MemoryBlobStore
from similar_fakes import drawn

from app.cache.breaker import BreakerRule
from app.cache.call_guard import CallGuard
from app.cache.exact import ExactCache
from app.cache.levels import PictureLevels
from app.cache.origin import Origin
from app.cache.rows import PictureRows
from app.cache.takedown import Takedown
from app.cache_levels import CacheLevel

ORIGIN = Origin(tenant="ann", revision="1", prompt="a dot")
EXACT = (("exact key", CacheLevel.EXACT),)
WORDS = (("other words", CacheLevel.CANONICAL),)


class Store(MemoryBlobStore):
    """Files in memory that may hang; `done` names every call."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.done: list[str] = []

    async def read(self, key: str) -> bytes:
        """The bytes, unless it hangs."""
        await self._pass("read")
        return await super().read(key)

    async def exists(self, key: str) -> bool:
        """Whether it is there, unless it hangs."""
        await self._pass("exists")
        return await super().exists(key)

    async def _pass(self, call: str) -> None:
        self.done.append(call)
        if self.hangs:
            await asyncio.Event().wait()


class Machines:
    """Gateways that share one store of files; each may have a disk of its own."""

    def __init__(self) -> None:
        self.blobs = Store()

    def gateway(self, *, disk: MemoryBlobStore | None = None, timeout_s: float = 10.0) -> PictureLevels:
        """One more gateway, with nothing in memory."""
        return PictureLevels(
            memory=ExactCache(blobs=self.blobs, max_entries=100),
            blobs=self.blobs,
            guard=CallGuard("store", timeout_s=timeout_s, rule=BreakerRule(failures=2)),
            nearby=None if disk is None else PictureRows(disk),
            shared=PictureRows(self.blobs),
        )

    async def remembered(self, gateway: PictureLevels, *, asker: str = "ann's laptop") -> str:
        """The file of a picture that the gateway knows by its seed and by its words."""
        picture = await drawn(self.blobs, "a.png")
        gateway.put(("exact key", "other words"), picture, origin=ORIGIN, asker=asker)
        await gateway.rest()
        return picture.blob_key


async def test_another_gateway_knows_it_too() -> None:
    """What one remembers, another finds in the shared store, and from then on in memory."""
    machines = Machines()
    await machines.remembered(machines.gateway())
    other = machines.gateway()
    found = await other.find(EXACT, origin=ORIGIN, asker="bob")
    machines.blobs.done.clear()
    again = await other.find(EXACT, origin=ORIGIN, asker="bob")
    await other.close()

    assert found == again
    assert found is not None
    assert found[1] is CacheLevel.EXACT
    assert machines.blobs.done == ["exists"]


async def test_the_disk_is_asked_before_the_shared_store() -> None:
    """A process that starts anew on its machine reads only whether the picture is still there."""
    machines, disk = Machines(), MemoryBlobStore()
    await machines.remembered(machines.gateway(disk=disk))
    machines.blobs.done.clear()
    found = await machines.gateway(disk=disk).find(EXACT, origin=ORIGIN, asker="bob")

    assert found is not None
    assert machines.blobs.done == ["exists"]


async def test_what_the_shared_store_knew_is_on_the_disk_next() -> None:
    """Levels above the one that answered learn of it."""
    machines, disk = Machines(), MemoryBlobStore()
    await machines.remembered(machines.gateway())
    near = machines.gateway(disk=disk)
    await near.find(EXACT, origin=ORIGIN, asker="bob")
    await near.rest()

    assert await near.counts() == {"memory": 1, "disk": 1, "shared": 2}


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_repeat_is_known_everywhere(in_memory: bool) -> None:
    """Who has seen a picture in these words gets another one, also from a gateway that never saw the caller."""
    machines = Machines()
    first = machines.gateway()
    await machines.remembered(first)
    second = first if in_memory else machines.gateway()
    assert await second.find(WORDS, origin=ORIGIN, asker="bob") is not None
    await second.rest()
    third = machines.gateway()

    assert await third.find(WORDS, origin=ORIGIN, asker="bob") is None
    assert await third.find(WORDS, origin=ORIGIN, asker="ann's laptop") is None
    assert await third.find(WORDS, origin=ORIGIN, asker="carol") is not None
    await third.rest()


async def test_a_row_without_its_picture_is_nothing() -> None:
    """It answers nobody and is forgotten."""
    machines = Machines()
    blob_key = await machines.remembered(machines.gateway())
    await machines.blobs.delete(blob_key)
    other = machines.gateway()

    assert await other.find(EXACT, origin=ORIGIN, asker="bob") is None
    assert await machines.blobs.keys("cache/pictures") == tuple(
        key for key in machines.blobs.files if key.startswith("cache/pictures")
    )
    assert len(await machines.blobs.keys("cache/pictures")) == 1


async def test_a_store_that_hangs_costs_a_little_then_nothing() -> None:
    """Two look-ups go on without it after their time; the others do not ask it at all."""
    machines = Machines()
    await machines.remembered(machines.gateway())
    gateway = machines.gateway(timeout_s=0.001)
    machines.blobs.hangs = True
    machines.blobs.done.clear()
    found = [await gateway.find(EXACT + WORDS, origin=ORIGIN, asker="bob") for _ in range(20)]
    await gateway.close()

    assert found == [None] * 20
    assert machines.blobs.done == ["read"] * 4


@pytest.mark.parametrize(
    "takedown",
    [
        Takedown(blob_key="a.png"),
        Takedown(prompt="Please draw a dot!"),
        Takedown(tenant="ann"),
        Takedown(revision="1"),
    ],
    ids=["picture", "prompt", "tenant", "revision"],
)
async def test_a_takedown_reaches_every_level(takedown: Takedown) -> None:
    """Memory, disk and the shared store forget what is meant."""
    machines, disk = Machines(), MemoryBlobStore()
    gateway = machines.gateway(disk=disk)
    await machines.remembered(gateway)
    gone = await gateway.purge(takedown)

    assert [picture.blob_key for picture in gone] == ["a.png"]
    assert await gateway.counts() == {"memory": 0, "disk": 0, "shared": 0}
    assert await gateway.find(EXACT, origin=ORIGIN, asker="bob") is None


@pytest.mark.parametrize(
    "takedown",
    [Takedown(blob_key="b.png"), Takedown(prompt="a cat"), Takedown(tenant="bob"), Takedown(revision="2"), Takedown()],
    ids=["picture", "prompt", "tenant", "revision", "nothing"],
)
async def test_a_takedown_leaves_the_rest(takedown: Takedown) -> None:
    """What is not meant stays."""
    machines = Machines()
    gateway = machines.gateway()
    await machines.remembered(gateway)

    assert await gateway.purge(takedown) == ()
    assert await gateway.counts() == {"memory": 2, "shared": 2}


async def test_absent_and_foreign_pictures_cost_the_same() -> None:
    """A look-up does the same work whether nobody or another tenant has the picture."""
    machines = Machines()
    await machines.remembered(machines.gateway())
    gateway, work = machines.gateway(), []
    for keys in (EXACT, (("a key that nobody has", CacheLevel.EXACT),)):
        machines.blobs.done.clear()
        foreign = Origin(tenant="bob", revision="1", prompt="a dot")
        assert await gateway.find(keys, origin=foreign, asker="bob") is None
        work.append(list(machines.blobs.done))

    assert work[0] == work[1] == ["read"]


async def test_what_shall_be_forgotten_stays_in_memory() -> None:
    """Nothing of it is written anywhere."""
    machines = Machines()
    gateway, picture = machines.gateway(), await drawn(machines.blobs, "a.png")
    gateway.put(("exact key",), picture, origin=ORIGIN, asker="ann", outlives_process=False)
    await gateway.rest()

    assert await gateway.counts() == {"memory": 1, "shared": 0}
