"""The outbox over a database."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import app.storage.jobs.statements as statements
from app.storage.jobs.database import Database
from app.storage.jobs.outbox import Message


class SqlOutbox:
    """Messages in a table beside the requests, so that a result and its message are committed together."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def put(self, messages: Sequence[Message]) -> None:
        """Keep the messages; an id that is there already is ignored."""
        if messages:
            await self._database.write(*((statements.PUT_MESSAGE, parameters_of(message)) for message in messages))

    async def due(self, limit: int, *, lease_s: float, retry_lease_s: float | None = None) -> list[Message]:
        """At most so many messages that are due, the oldest first, each leased for as long as the contract says."""
        now_s = self._clock()
        retry_s = now_s + (lease_s if retry_lease_s is None else retry_lease_s)
        asked = {"now_s": now_s, "again_s": now_s + lease_s, "retry_s": retry_s, "most": limit}
        rows = await self._database.write((self._locking(statements.DUE_MESSAGES), asked))
        return [
            Message(message_id=message_id, destination=destination, body=body, due_s=due_s, attempts=attempts)
            for message_id, destination, body, due_s, attempts in rows
        ]

    async def delivered(self, message_id: str) -> None:
        """Forget the message; unknown ids are ignored."""
        await self._database.write((statements.DELIVERED, {"message_id": message_id}))

    async def failed(self, message_id: str, *, retry_at_s: float) -> None:
        """Count a failed delivery and make the message due again at that time."""
        await self._database.write((statements.FAILED, {"message_id": message_id, "retry_at_s": retry_at_s}))

    def _locking(self, statement: str) -> str:
        return statement.format(skip_locked=self._database.skip_locked)


def parameters_of(message: Message) -> dict[str, Any]:
    """The message's fields by name."""
    return asdict(message)
