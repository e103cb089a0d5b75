"""What every tenant store promises about keys, use, files and the audit log."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tenant_stores import TenantProcesses, tenant_processes

from app.storage.tenants import (
    AuditEntry,
    AuditQuery,
    Bucket,
    KeyRecord,
    News,
    Presence,
    Scope,
    StoredFile,
    TenantStore,
    Use,
)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def processes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TenantProcesses]:
    """Processes that share one store, of each kind in turn."""
    made = tenant_processes(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url"))
    yield made
    await made.close()


@pytest.fixture
async def store(processes: TenantProcesses) -> TenantStore:
    """The first process."""
    return await processes.another()


def key(key_id: str = "k1", **changes: Any) -> KeyRecord:
    """A key of the tenant acme."""
    usual = {"tenant": "acme", "digest": "d", "scopes": frozenset({Scope.READ, Scope.GENERATE}), "created_s": 1.5}
    return KeyRecord(key_id=key_id, **(usual | changes))


def entry(entry_id: str = "e1", **changes: Any) -> AuditEntry:
    """An entry about the tenant acme."""
    usual = {"at_s": 10.0, "tenant": "acme", "key_id": "k1", "action": "submit", "subject": "r", "outcome": "200"}
    return AuditEntry(entry_id=entry_id, **({"origin": "10.0.0.1"} | usual | changes))


async def test_a_key_is_found_by_every_process(store: TenantStore, processes: TenantProcesses) -> None:
    """It comes back as it was put; one that nobody put is not there."""
    await store.put_key(key(expires_s=9.0), entry())
    other = await processes.another()

    assert await other.key("k1") == key(expires_s=9.0)
    assert await other.key("k2") is None


async def test_a_key_is_put_in_place_of_its_former_self(store: TenantStore, processes: TenantProcesses) -> None:
    """A revocation is seen by all, and leaves one key with that id."""
    await store.put_key(key(), entry("e1"))
    other = await processes.another()
    await other.put_key(replace(key(), revoked_s=5.0), entry("e2"))

    assert await store.keys() == [key(revoked_s=5.0)]
    assert len(await store.entries(AuditQuery())) == 2


async def test_keys_are_listed_by_tenant(store: TenantStore) -> None:
    """The oldest first."""
    for made in (key("b", created_s=2.0), key("a", created_s=1.0), key("c", tenant="other")):
        await store.put_key(made, entry(made.key_id))

    assert [each.key_id for each in await store.keys("acme")] == ["a", "b"]
    assert [each.key_id for each in await store.keys()] == ["a", "c", "b"]


async def test_use_is_what_a_process_counted_last(store: TenantStore, processes: TenantProcesses) -> None:
    """Counts told twice are not counted twice; what others counted is added up by bucket, without one's own."""
    other, third = await processes.another(), await processes.another()
    for _ in range(2):
        await store.tell(News(uses=(Use("acme", Bucket(10, 1, 5.0)), Use("acme", Bucket(20, 3, 1.5)))))
    await other.tell(News(uses=(Use("acme", Bucket(10, 2, 7.0)), Use("else", Bucket(10, 9, 9.0)))))

    assert await third.used_elsewhere("acme", since_s=10) == [Bucket(10, 3, 12.0), Bucket(20, 3, 1.5)]
    assert await third.used_elsewhere("acme", since_s=10.5) == [Bucket(20, 3, 1.5)]
    assert await store.used_elsewhere("acme", since_s=0) == [Bucket(10, 2, 7.0)]


async def test_presence_is_believed_for_a_time(store: TenantStore, processes: TenantProcesses) -> None:
    """The latest word of each other process counts, until its time is over."""
    other = await processes.another()
    await store.tell(News(presences=(Presence("acme", 5, 100.0),)))
    await store.tell(News(presences=(Presence("acme", 2, 100.0), Presence("else", 7, 100.0))))

    assert await other.under_way_elsewhere("acme", now_s=99.0) == 2
    assert await other.under_way_elsewhere("acme", now_s=100.0) == 0
    assert await store.under_way_elsewhere("acme", now_s=99.0) == 0


async def test_a_file_has_one_owner(store: TenantStore, processes: TenantProcesses) -> None:
    """Who told first; everybody can ask, until it is forgotten."""
    await store.tell(News(files=(StoredFile("a.png", "acme", 10),)))
    await store.tell(News(files=(StoredFile("a.png", "else", 10),)))
    other = await processes.another()

    assert await other.owner("a.png") == "acme"
    await other.forget_file("a.png")
    await other.forget_file("never.png")
    assert await store.owner("a.png") is None


async def test_a_footprint_is_what_has_not_expired(store: TenantStore) -> None:
    """Bytes of all files, and the time at which the next of them goes."""
    files = (StoredFile("a", "acme", 10), StoredFile("b", "acme", 5, 50.0), StoredFile("c", "acme", 3, 60.0))
    await store.tell(News(files=(*files, StoredFile("d", "else", 100))))

    for now_s, byte_count, next_s in ((0, 18, 50.0), (50, 13, 60.0), (60, 10, None)):
        found = await store.footprint("acme", now_s=now_s)
        assert (found.byte_count, found.next_expiry_s) == (byte_count, next_s)
    assert (await store.footprint("nobody", now_s=0)).byte_count == 0


async def test_the_log_grows_and_is_asked(store: TenantStore, processes: TenantProcesses) -> None:
    """Entries are found by tenant, action and time, the latest first; one told twice is there once."""
    entries = [entry(f"e{n}", at_s=float(n), action="cancel" if n % 2 else "submit") for n in range(6)]
    await store.tell(News(entries=tuple(entries)))
    await store.tell(News(entries=(entries[0], entry("x", tenant="else", at_s=0.5))))
    other = await processes.another()

    assert await other.entries(AuditQuery(tenant="acme")) == entries[::-1]
    assert await other.entries(AuditQuery(action="cancel", since_s=2.0)) == [entries[5], entries[3]]
    assert await other.entries(AuditQuery(limit=1)) == [entries[5]]


async def test_what_is_over_is_forgotten(store: TenantStore, processes: TenantProcesses) -> None:
    """Old counts, presences and expired files go; keys and the log stay."""
    await store.put_key(key(), entry())
    uses = (Use("acme", Bucket(10, 1)), Use("acme", Bucket(20, 1)))
    files = (StoredFile("a", "acme", 1, 30.0), StoredFile("b", "acme", 1))
    await store.tell(News(uses=uses, presences=(Presence("acme", 1, 30.0),), files=files))
    await store.forget(before_s=20, now_s=30.0)
    other = await processes.another()

    assert await other.used_elsewhere("acme", since_s=0) == [Bucket(20, 1)]
    assert await other.under_way_elsewhere("acme", now_s=0) == 0
    assert (await other.owner("a"), await other.owner("b")) == (None, "acme")
    assert await other.key("k1") is not None
    assert len(await other.entries(AuditQuery())) == 1
