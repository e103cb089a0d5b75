"""The outbox: messages that are sent at least once, however often the sender dies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to deliver not before `due_s` (epoch seconds); `attempts` counts the deliveries that failed."""

    message_id: str
    destination: str
    body: str
    due_s: float
    attempts: int = 0


class Outbox(Protocol):
    """Messages until they are delivered. Receivers must be idempotent: a message may arrive twice."""

    async def put(self, messages: Sequence[Message]) -> None:
        """Keep the messages; an id that is there already is ignored."""
        ...

    async def due(self, limit: int, *, lease_s: float, retry_lease_s: float | None = None) -> list[Message]:
        """At most so many messages that are due, the oldest first; each is due again in `lease_s` seconds.

        One whose delivery has failed before is due again in `retry_lease_s` seconds, where that is given.
        """
        ...

    async def delivered(self, message_id: str) -> None:
        """Forget the message; unknown ids are ignored."""
        ...

    async def failed(self, message_id: str, *, retry_at_s: float) -> None:
        """Count a failed delivery and make the message due again at that time."""
        ...
