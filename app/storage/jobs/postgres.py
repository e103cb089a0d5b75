"""PostgreSQL: a connection that writes, one that reads, one that listens; all are replaced when they are lost."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg

import app.storage.jobs.migrations as migrations
from app.errors import StoreUnavailableError
from app.storage.jobs.background import until_cancelled
from app.storage.jobs.batches import Batches
from app.storage.jobs.database import Rows, Statement
from app.storage.jobs.news import News

_CHANNEL = "darkroom_requests"
_MIGRATION_LOCK = 0x6461726B
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Script = tuple[Statement, ...]
Result = TypeVar("Result")


class PostgresDatabase:
    """A database that many gateways share; `worker` marks what this one announces.

    A batch of writes is one transaction and one exchange with the server. A connection that is
    lost is replaced and the batch repeated, for six seconds; every statement may be repeated.
    """

    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, conninfo: str, *, worker: str) -> None:
        self._conninfo = conninfo
        self._worker = worker
        self._connections: dict[str, Connection] = {}
        self._writes: Batches[Script, Rows] = Batches(
            lambda scripts: self._patiently("writer", lambda one: _commit(one, scripts))
        )
        self._reads: Batches[Statement, Rows] = Batches(
            lambda statements: self._patiently("reader", lambda one: _select(one, statements))
        )
        self._listening: asyncio.Task[None] | None = None
        self._news = News()

    async def open(self, news: News) -> None:
        """Connect and migrate; raises ConfigurationError for a schema of a newer version."""
        self._news = news
        await self._patiently("writer", _migrate)
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Finish what was asked for and disconnect."""
        await until_cancelled(self._listening)
        await self._writes.finish()
        await self._reads.finish()
        for role in list(self._connections):
            await self._connections.pop(role).close()

    async def write(self, *statements: Statement) -> Rows:
        """The rows of the first statement, once all are committed; raises StoreUnavailableError."""
        return await self._writes.do(statements)

    async def read(self, statement: Statement) -> Rows:
        """The rows of the statement; raises StoreUnavailableError."""
        return await self._reads.do(statement)

    def announcement(self, request_id: str) -> tuple[Statement, ...]:
        """A notification that is sent when the change is committed."""
        news = {"channel": _CHANNEL, "news": f"{self._worker} {request_id}"}
        return (("SELECT pg_notify(:channel, :news)", news),)

    async def _patiently(self, role: str, act: Callable[[Connection], Awaitable[Result]]) -> Result:
        for pause_s in _PAUSES_S:
            try:
                return await act(await self._connected(role))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                lost = error
                await self._disconnect(role)
                await asyncio.sleep(pause_s)
        raise StoreUnavailableError("the job store cannot be reached now") from lost

    async def _connected(self, role: str) -> Connection:
        if role not in self._connections:
            self._connections[role] = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        return self._connections[role]

    async def _disconnect(self, role: str) -> None:
        if (connection := self._connections.pop(role, None)) is not None:
            await connection.close()

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear(await self._connected("listener"))
            except (psycopg.OperationalError, psycopg.InterfaceError):
                await self._disconnect("listener")
                await asyncio.sleep(_PAUSES_S[-1])

    async def _hear(self, connection: Connection) -> None:
        await connection.execute(f"LISTEN {_CHANNEL}")
        self._news.overhear(None)
        async for notification in connection.notifies():
            worker, _, request_id = notification.payload.partition(" ")
            if worker != self._worker:
                self._news.overhear(request_id)


async def _commit(connection: Connection, scripts: Sequence[Script]) -> list[Rows]:
    async with connection.pipeline(), connection.transaction():
        cursors = [[await _execute(connection, statement) for statement in script] for script in scripts]
    return [await _rows(script[0]) for script in cursors]


async def _select(connection: Connection, statements: Sequence[Statement]) -> list[Rows]:
    async with connection.pipeline():
        cursors = [await _execute(connection, statement) for statement in statements]
    return [await _rows(cursor) for cursor in cursors]


async def _migrate(connection: Connection) -> None:
    async with connection.transaction():
        await _execute(connection, ("SELECT pg_advisory_xact_lock(:lock)", {"lock": _MIGRATION_LOCK}))
        await _execute(connection, (migrations.CREATE_LEDGER, {}))
        ((applied,),) = await _rows(await _execute(connection, (migrations.APPLIED, {})))
        for number, steps in migrations.missing(applied):
            for step in steps:
                await _execute(connection, (step, {}))
            await _execute(connection, (migrations.RECORD, {"number": number}))


async def _execute(connection: Connection, statement: Statement) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    text, parameters = statement
    return await connection.execute(_translated(text), parameters)


async def _rows(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> Rows:
    return await cursor.fetchall() if cursor.description else []


@cache
def _translated(text: str) -> str:
    """psycopg writes parameters `%(name)s`."""
    return re.sub(r":(\w+)", r"%(\1)s", text)
