"""From the setting `storage.jobs` to the store that it names."""

import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.jobs.contract import JobStore, Keeping
from app.storage.jobs.database import Database
from app.storage.jobs.memory import MemoryJobStore
from app.storage.jobs.sql_store import SqlJobStore
from app.storage.jobs.sqlite import SqliteDatabase


def open_jobs(settings: StorageSettings, *, clock: Callable[[], float] = time.time) -> JobStore:
    """The configured store, not yet open; raises ConfigurationError for one that does not exist."""
    worker = worker_name()
    return jobs_over(database_of(settings, worker=worker), settings, worker=worker, clock=clock)


def worker_name() -> str:
    """A name for this process among all that ever share a database."""
    return f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def database_of(settings: StorageSettings, *, worker: str) -> Database | None:
    """The configured database, not yet open; None for memory; raises ConfigurationError for what does not exist."""
    scheme, _, path = settings.jobs.partition(":")
    match scheme:
        case "memory":
            return None
        case "sqlite":
            return SqliteDatabase(Path(path))
        case "postgresql" | "postgres":
            # Only who uses PostgreSQL pays for loading its driver.
            from app.storage.jobs.postgres import PostgresDatabase

            return PostgresDatabase(settings.jobs, worker=worker)
    raise ConfigurationError("storage.jobs: name memory, sqlite:path or postgresql://user:password@host/database")


def jobs_over(
    database: Database | None, settings: StorageSettings, *, worker: str, clock: Callable[[], float] = time.time
) -> JobStore:
    """The job store over the database, which it opens and closes; in memory without one."""
    if database is None:
        return MemoryJobStore(_keeping(settings), clock=clock)
    return SqlJobStore(database, _keeping(settings), worker=worker, clock=clock)


def _keeping(settings: StorageSettings) -> Keeping:
    return Keeping(
        ttl_s=settings.result_ttl_s,
        ephemeral_ttl_s=settings.ephemeral_result_ttl_s,
        max_completed=settings.max_results,
        lease_s=settings.lease_s,
    )
