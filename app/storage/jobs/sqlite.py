"""SQLite: one file, one thread that writes, one that reads; a commit is on the disk before it is reported."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import app.storage.jobs.migrations as migrations
from app.errors import ConfigurationError, StoreUnavailableError
from app.storage.jobs.background import until_cancelled
from app.storage.jobs.batches import Batches
from app.storage.jobs.database import Rows, Statement
from app.storage.jobs.news import News

_PATIENCE_S = 30.0
_POLL_S = 0.25

Script = tuple[Statement, ...]


class SqliteDatabase:
    """A file in WAL mode with synchronous=FULL.

    The standard library's module is used in two threads of its own, because a group commit needs
    all waiting writes in one transaction, which no asynchronous wrapper of a connection offers.
    Other processes may share the file; their commits are noticed by polling.
    """

    skip_locked = ""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="jobs-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="jobs-reader")
        self._writes = Batches(self._commit)
        self._reads = Batches(self._select)
        self._connections: list[sqlite3.Connection] = []
        self._polling: asyncio.Task[None] | None = None
        self._news = News()

    async def open(self, news: News) -> None:
        """Create or migrate the file; raises ConfigurationError for one of a newer version, or none."""
        self._news = news
        try:
            await asyncio.get_running_loop().run_in_executor(self._writing, self._connect)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"storage.jobs: {self._path}: {error}") from error
        self._polling = asyncio.create_task(self._poll())

    async def close(self) -> None:
        """Finish what was asked for and close the file."""
        await until_cancelled(self._polling)
        await self._writes.finish()
        await self._reads.finish()
        while self._connections:
            await asyncio.to_thread(self._connections.pop().close)
        self._reading.shutdown()
        self._writing.shutdown()

    async def write(self, *statements: Statement) -> Rows:
        """The rows of the first statement, once all are on the disk; raises StoreUnavailableError."""
        return await self._writes.do(statements)

    async def read(self, statement: Statement) -> Rows:
        """The rows of the statement; raises StoreUnavailableError."""
        return await self._reads.do(statement)

    def announcement(self, request_id: str) -> tuple[Statement, ...]:
        """Nothing: other processes see that the file has changed."""
        return ()

    async def _commit(self, scripts: Sequence[Script]) -> list[Rows]:
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._commit_now, scripts)

    async def _select(self, statements: Sequence[Statement]) -> list[Rows]:
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._select_now, statements)

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connected()
        self._migrate()
        self._reader = self._connected()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _migrate(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        self._writer.execute(migrations.CREATE_LEDGER)
        (applied,) = self._writer.execute(migrations.APPLIED).fetchone()
        for number, steps in migrations.missing(applied):
            for step in steps:
                self._writer.execute(step)
            self._writer.execute(migrations.RECORD, {"number": number})
        self._writer.execute("COMMIT")

    def _commit_now(self, scripts: Sequence[Script]) -> list[Rows]:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            results = [self._run(script) for script in scripts]
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise _plain(error) from error
        return results

    def _run(self, script: Script) -> Rows:
        rows, *_ = [self._writer.execute(*statement).fetchall() for statement in script]
        return rows

    def _select_now(self, statements: Sequence[Statement]) -> list[Rows]:
        try:
            return [self._reader.execute(*statement).fetchall() for statement in statements]
        except sqlite3.Error as error:
            raise _plain(error) from error

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(self._writing, self._version)
        while True:
            await asyncio.sleep(_POLL_S)
            if self._news.has_readers and (now := await loop.run_in_executor(self._writing, self._version)) != seen:
                seen = now
                self._news.overhear(None)

    def _version(self) -> int:
        """Changes when another connection has committed; that of the writer knows its own commits."""
        (version,) = self._writer.execute("PRAGMA data_version").fetchone()
        return int(version)


def _plain(error: sqlite3.Error) -> Exception:
    """A full or busy disk is the store's trouble; anything else is the statement's."""
    return (
        StoreUnavailableError("the job store cannot be used now")
        if isinstance(error, sqlite3.OperationalError)
        else error
    )
