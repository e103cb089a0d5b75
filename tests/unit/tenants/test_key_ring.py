"""Keys are looked up once a moment, and changes are noticed within it."""

from dataclasses import replace

import pytest
from fakes import FakeClock

from app.errors import UnauthorizedError
from app.storage.tenants import AuditEntry, KeyRecord, MemoryTenantStore, Scope
from app.tenants.key_ring import KeyRing
from app.tenants.keys import NewKey, PresentedKey, new_key, presented_key

ENTRY = AuditEntry(
    entry_id="e", at_s=0.0, tenant="acme", key_id="k", action="key created", subject="k", outcome="", origin="test"
)


class CountingStore(MemoryTenantStore):
    """Counts how often a key is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def key(self, key_id: str) -> KeyRecord | None:
        """The key."""
        self.asked += 1
        return await super().key(key_id)


@pytest.fixture
def clock() -> FakeClock:
    """The time."""
    return FakeClock()


@pytest.fixture
def store() -> CountingStore:
    """An empty store."""
    return CountingStore()


@pytest.fixture
def ring(store: CountingStore, clock: FakeClock) -> KeyRing:
    """Trusts what it knows for a second."""
    return KeyRing(store, staleness_s=1.0, clock=clock)


async def kept(store: CountingStore) -> NewKey:
    """A key that is in the store."""
    made = new_key("acme", [Scope.READ], now_s=0.0)
    await store.put_key(made.record, ENTRY)
    return made


def shown(text: str) -> PresentedKey:
    """The key as its holder shows it."""
    presented = presented_key(f"Key {text}")
    assert presented is not None
    return presented


async def test_a_key_is_asked_for_once_a_moment(store: CountingStore, ring: KeyRing, clock: FakeClock) -> None:
    """Calls within the time of trust cost no look-up."""
    made = await kept(store)
    for _ in range(10):
        assert (await ring.opened(shown(made.text))).tenant == "acme"
    assert store.asked == 1
    clock.now_s += 1.0
    await ring.opened(shown(made.text))

    assert store.asked == 2


async def test_a_revocation_is_noticed_within_that_time(store: CountingStore, ring: KeyRing, clock: FakeClock) -> None:
    """Another process revokes the key: here it opens nothing any more when the time of trust is over."""
    made = await kept(store)
    await ring.opened(shown(made.text))
    await store.put_key(replace(made.record, revoked_s=clock.now_s), ENTRY)
    clock.now_s += 1.0

    with pytest.raises(UnauthorizedError):
        await ring.opened(shown(made.text))
    with pytest.raises(UnauthorizedError):
        await ring.still_good(made.record.key_id)


async def test_an_expiry_needs_no_noticing(store: CountingStore, ring: KeyRing, clock: FakeClock) -> None:
    """It acts to the moment, however fresh what is known."""
    made = new_key("acme", [Scope.READ], now_s=0.0, expires_s=clock.now_s + 0.5)
    await store.put_key(made.record, ENTRY)
    await ring.opened(shown(made.text))
    clock.now_s += 0.5

    with pytest.raises(UnauthorizedError):
        await ring.opened(shown(made.text))


async def test_nobody_learns_what_is_wrong(store: CountingStore, ring: KeyRing) -> None:
    """A wrong secret and an unknown id are refused in the same words, after the same look-ups."""
    made = await kept(store)
    details = []
    for key_id in (made.record.key_id, "dk-0000000000000000"):
        before = store.asked
        with pytest.raises(UnauthorizedError) as caught:
            await ring.opened(PresentedKey(key_id, "s" * 43))
        details.append((caught.value.detail, store.asked - before))

    assert details[0] == details[1]


async def test_guessing_asks_the_store_no_oftener(store: CountingStore, ring: KeyRing) -> None:
    """That an id is nobody's is remembered for as long."""
    for _ in range(10):
        with pytest.raises(UnauthorizedError):
            await ring.opened(PresentedKey("dk-0000000000000000", "s" * 43))

    assert store.asked == 1
