"""What the databases below the SQL job store promise: schema, settings, and connections that come back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from fakes import make_request
from job_stores import new_schema

from app.config import StorageSettings
from app.errors import ConfigurationError, StoreUnavailableError
from app.storage.jobs import JobStore, NewRequest, RequestState, RequestView, open_jobs
from app.storage.jobs.codec import encode_view
from app.storage.jobs.migrations import CREATE_LEDGER, MIGRATIONS


@pytest.fixture(params=["sqlite", "postgres"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The setting that names an empty store, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'state' / 'jobs.sqlite'}"
    return new_schema(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(jobs: str) -> AsyncIterator[JobStore]:
    """The store, open."""
    opened = await opened_store(jobs)
    yield opened
    await opened.close()


async def opened_store(jobs: str) -> JobStore:
    """The store that the setting names, open."""
    store = open_jobs(StorageSettings(jobs=jobs))
    await store.open()
    return store


async def submit(store: JobStore, request_id: str) -> None:
    """Submit a request."""
    request = make_request(request_id)
    view = RequestView(request_id=request_id, endpoint=request.endpoint)
    await store.submit(NewRequest(view=view, request=request, submitted_s=0.0, deadline_s=60.0))


def execute(jobs: str, statement: str) -> None:
    """Run a statement behind the store's back."""
    if jobs.startswith("sqlite:"):
        with sqlite3.connect(jobs.removeprefix("sqlite:")) as file:
            file.execute(statement)
        file.close()
        return
    with psycopg.connect(jobs, autocommit=True) as connection:
        connection.execute(statement)


async def test_the_schema_is_made_once(jobs: str) -> None:
    """Workers that start together agree on it, and a later one finds everything."""
    stores = await asyncio.gather(*(opened_store(jobs) for _ in range(4)))
    await submit(stores[0], "a")
    later = await opened_store(jobs)
    assert (await later.get("a")).request_id == "a"
    for each in (*stores, later):
        await each.close()


async def test_a_newer_schema_is_refused(jobs: str, store: JobStore) -> None:
    """A version that does not know it changes nothing and says so."""
    execute(jobs, f"INSERT INTO darkroom_migrations (number) VALUES ({len(MIGRATIONS) + 1})")
    newer = open_jobs(StorageSettings(jobs=jobs))
    with pytest.raises(ConfigurationError, match="schema"):
        await newer.open()
    await newer.close()


@pytest.mark.parametrize("setting", ["", "redis://host", "mysql:x"])
def test_an_unknown_store_is_refused(setting: str) -> None:
    """The message names those that there are."""
    with pytest.raises(ConfigurationError, match="postgresql"):
        open_jobs(StorageSettings(jobs=setting))


async def test_a_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A path below a file, or a file that is no database, is named in the error."""
    (tmp_path / "file").write_bytes(b"no database" * 1000)
    for path in (tmp_path / "file" / "jobs.sqlite", tmp_path / "file"):
        store = open_jobs(StorageSettings(jobs=f"sqlite:{path}"))
        with pytest.raises(ConfigurationError, match=str(path)):
            await store.open()
        await store.close()


async def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    """Commits go to a write-ahead log, and each is forced to the disk before it is reported."""
    file = tmp_path / "jobs.sqlite"
    store = await opened_store(f"sqlite:{file}")
    await submit(store, "a")
    assert file.with_name("jobs.sqlite-wal").stat().st_size > 0
    await store.close()


async def test_lost_connections_are_replaced(postgres_url: str) -> None:
    """A server that drops every connection is asked again; callers notice nothing."""
    jobs = new_schema(postgres_url)
    store = await opened_store(jobs)
    await submit(store, "a")
    await store.get("a")
    execute(jobs, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    await asyncio.gather(*(submit(store, name) for name in "bcd"))
    assert [(await store.get(name)).request_id for name in "abcd"] == list("abcd")
    await store.close()


@pytest.mark.timeout(30)
async def test_a_server_that_is_not_there_is_an_error_in_time(tmp_path: Path) -> None:
    """Nobody waits for ever, and the message holds no secret of the setting."""
    store = open_jobs(StorageSettings(jobs=f"postgresql://user:hidden@/database?host={tmp_path}"))
    with pytest.raises(StoreUnavailableError) as caught:
        await store.open()
    assert "hidden" not in caught.value.detail
    await store.close()


async def test_requests_from_before_there_were_tenants_are_local(jobs: str) -> None:
    """What an earlier version kept in nobody's name is found by callers without a key."""
    first_two = [step for migration in MIGRATIONS[:2] for step in migration]
    ledger = [CREATE_LEDGER, "INSERT INTO darkroom_migrations (number) VALUES (1), (2)"]
    done = encode_view(RequestView(request_id="a", endpoint="e", state=RequestState.COMPLETED))
    values = f"'a', '', '', 'completed', 1, '{done}', 0, 0, 60, 'w', 1, 0, 0, 0, 0"
    names = "request_id, tenant, variant, state, format, view, submitted_s, deadline_s, keep_s, worker, fence"
    more = "leased_until_s, has_begun, attempts, completed_s"
    if jobs.startswith("sqlite:"):
        Path(jobs.removeprefix("sqlite:")).parent.mkdir()
    for statement in (*ledger, *first_two, f"INSERT INTO darkroom_requests ({names}, {more}) VALUES ({values})"):
        execute(jobs, statement)
    store = await opened_store(jobs)

    assert (await store.get("a", tenant="local")).is_completed
    await store.close()
