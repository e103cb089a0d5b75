"""Workers on every kind of job store, for suites that each of them has to pass."""

import itertools
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
from fakes import FakeClock

from app.storage.jobs import JobStore, Keeping, MemoryJobStore
from app.storage.jobs.postgres import PostgresDatabase
from app.storage.jobs.sql_store import SqlJobStore
from app.storage.jobs.sqlite import SqliteDatabase

TTL_S = 60.0
EPHEMERAL_TTL_S = 6.0
MAX_COMPLETED = 3
LEASE_S = 10.0
KEEPING = Keeping(ttl_s=TTL_S, ephemeral_ttl_s=EPHEMERAL_TTL_S, max_completed=MAX_COMPLETED, lease_s=LEASE_S)


class Workers:
    """Opens worker after worker on the same requests; all see one clock."""

    def __init__(self, make: Callable[[FakeClock, str], JobStore]) -> None:
        self.clock = FakeClock()
        self._make = make
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._open: list[JobStore] = []

    async def another(self) -> JobStore:
        """One more worker."""
        store = self._make(self.clock, next(self._names))
        await store.open()
        self._open.append(store)
        return store

    async def close(self) -> None:
        """Close all of them."""
        for store in self._open:
            await store.close()


def memory_workers() -> Workers:
    """Workers of one process, which are one."""
    shared: list[JobStore] = []

    def make(clock: FakeClock, name: str) -> JobStore:
        if not shared:
            shared.append(MemoryJobStore(KEEPING, clock=clock))
        return shared[0]

    return Workers(make)


def sqlite_workers(file: Path) -> Workers:
    """Workers that share a file."""
    return Workers(lambda clock, name: SqlJobStore(SqliteDatabase(file), KEEPING, worker=name, clock=clock))


def new_schema(url: str) -> str:
    """The URL of a server with an empty schema of one's own."""
    schema = f"jobs_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}&options=-csearch_path%3D{schema}"


def postgres_workers(url: str) -> Workers:
    """Workers that share a new schema of a server."""
    own = new_schema(url)
    return Workers(
        lambda clock, name: SqlJobStore(PostgresDatabase(own, worker=name), KEEPING, worker=name, clock=clock)
    )
