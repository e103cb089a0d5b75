"""Processes on every kind of tenant store, for suites that each of them has to pass."""

import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from job_stores import new_schema

from app.storage.jobs.database import Database
from app.storage.jobs.news import News
from app.storage.jobs.postgres import PostgresDatabase
from app.storage.jobs.sqlite import SqliteDatabase
from app.storage.tenants import MemoryTenantStore, SqlTenantStore, TenantStore
from app.storage.tenants.memory import TenantMemory


class TenantProcesses:
    """Opens process after process on the same tenants."""

    def __init__(self, open_database: Callable[[str], Database] | None) -> None:
        self._open_database = open_database
        self._memory = TenantMemory()
        self._names = (f"process-{number}" for number in itertools.count(1))
        self._open = AsyncExitStack()

    async def another(self) -> TenantStore:
        """One more process."""
        name = next(self._names)
        if self._open_database is None:
            return MemoryTenantStore(self._memory, worker=name)
        database = self._open_database(name)
        await database.open(News())
        self._open.push_async_callback(database.close)
        return SqlTenantStore(database, worker=name)

    async def close(self) -> None:
        """Close all of them."""
        await self._open.aclose()


def tenant_processes(kind: str, folder: Path, postgres_url: Callable[[], str]) -> TenantProcesses:
    """Processes that share a memory, a file, or a new schema of a server."""
    match kind:
        case "memory":
            return TenantProcesses(None)
        case "sqlite":
            return TenantProcesses(lambda name: SqliteDatabase(folder / "tenants.sqlite"))
    url = new_schema(postgres_url())
    return TenantProcesses(lambda name: PostgresDatabase(url, worker=name))
