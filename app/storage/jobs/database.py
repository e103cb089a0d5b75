"""What the SQL job store needs from a database: group-committed writes, reads, and news of other processes."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.storage.jobs.news import News

Statement = tuple[str, Mapping[str, Any]]
Row = tuple[Any, ...]
Rows = list[Row]


class Database(Protocol):
    """A database that speaks the SQL of `statements`; parameters are written `:name`."""

    skip_locked: str

    async def open(self, news: News) -> None:
        """Connect, migrate, and tell what other processes change from now on."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def write(self, *statements: Statement) -> Rows:
        """The rows that the first statement returned, once all of them are committed, or none.

        Raises StoreUnavailableError.
        """
        ...

    async def read(self, statement: Statement) -> Rows:
        """The rows that the statement returns; raises StoreUnavailableError."""
        ...

    def announcement(self, request_id: str) -> tuple[Statement, ...]:
        """What to write beside a change, so that other processes hear of it."""
        ...
