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
from app.storage.jobs.memory import MemoryJobStore
from app.storage.jobs.sql_store import SqlJobStore
from app.storage.jobs.sqlite import SqliteDatabase


def open_jobs(settings: StorageSettings, *, clock: Callable[[], float] = time.time) -> JobStore:
    """The configured store, not yet open; raises ConfigurationError for one that does not exist."""
    scheme, _, path = settings.jobs.partition(":")
    worker = f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    match scheme:
        case "memory":
            return MemoryJobStore(_keeping(settings), clock=clock)
        case "sqlite":
            return SqlJobStore(SqliteDatabase(Path(path)), _keeping(settings), worker=worker, clock=clock)
        case "postgresql" | "postgres":
            # Only who uses PostgreSQL pays for loading its driver.
            from app.storage.jobs.postgres import PostgresDatabase

            database = PostgresDatabase(settings.jobs, worker=worker)
            return SqlJobStore(database, _keeping(settings), worker=worker, clock=clock)
    raise ConfigurationError("storage.jobs: name memory, sqlite:path or postgresql://user:password@host/database")


def _keeping(settings: StorageSettings) -> Keeping:
    return Keeping(
        ttl_s=settings.result_ttl_s,
        ephemeral_ttl_s=settings.ephemeral_result_ttl_s,
        max_completed=settings.max_results,
        lease_s=settings.lease_s,
    )
