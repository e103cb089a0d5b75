"""The stores that a gateway needs beside its files, over one database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.jobs import JobStore
from app.storage.jobs.news import News
from app.storage.jobs.opening import database_of, jobs_over, worker_name
from app.storage.tenants import MemoryTenantStore, SqlTenantStore, TenantStore


@dataclass(frozen=True, slots=True)
class Stores:
    """Jobs and tenants of one process; both are usable between `open` and `close` of the jobs."""

    jobs: JobStore
    tenants: TenantStore


def open_stores(settings: StorageSettings) -> Stores:
    """The configured stores, not yet open; raises ConfigurationError for what does not exist."""
    worker = worker_name()
    database = database_of(settings, worker=worker)
    tenants = MemoryTenantStore() if database is None else SqlTenantStore(database, worker=worker)
    return Stores(jobs_over(database, settings, worker=worker), tenants)


@asynccontextmanager
async def opened_tenants(settings: StorageSettings) -> AsyncIterator[TenantStore]:
    """The tenant store alone, for a command beside the server; raises ConfigurationError where it is in memory."""
    worker = worker_name()
    database = database_of(settings, worker=worker)
    if database is None:
        raise ConfigurationError(
            "storage.jobs is memory, where keys would end with this command; name sqlite:path or postgresql://…"
        )
    await database.open(News())
    try:
        yield SqlTenantStore(database, worker=worker)
    finally:
        await database.close()
