"""Server-sent events: one JSON document each, with comments in between so that nobody hangs up on a slow one."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.connection import while_connected
from app.api.errors import error_body
from app.errors import DarkroomError

_log = logging.getLogger(__name__)

PING_S = 15.0
_PING = b": ping\n\n"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wording:
    """How a dialect names its events, None for not at all, and how it says that the source failed."""

    name: Callable[[Event], str | None]
    failure: Callable[[DarkroomError], Event]


UNNAMED = Wording(name=lambda event: None, failure=error_body)


class Relay:
    """Runs an event source in one task of its own, so that its reader may wait with a time limit, and leave."""

    def __init__(self, source: AsyncIterator[Event]) -> None:
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(source))

    async def has_news(self, patience_s: float) -> bool:
        """Whether `next` would answer at once, now or within that many seconds."""
        try:
            async with asyncio.timeout(patience_s):
                return await self._news.wait()
        except TimeoutError:
            return False

    async def next(self) -> Event | None:
        """The next event, or None after the last; raises the source's own error in its turn."""
        await self._news.wait()
        if not self._waiting:
            await self._task
            return None
        event = self._waiting.popleft()
        if not self._waiting and not self._task.done():
            self._news.clear()
        return event

    async def close(self) -> None:
        """Stop the source; its clean-up has run when this returns."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, source: AsyncIterator[Event]) -> None:
        try:
            async for event in source:
                self._waiting.append(event)
                self._news.set()
        finally:
            self._news.set()


class EventStream(StreamingResponse):
    """Sends a relay's events; a reader who leaves ends the source, where it `stops`.

    A DarkroomError of the source becomes a last event, and the connection is then cut.
    """

    def __init__(self, relay: Relay, first: Event | None, *, stops: bool, ping_s: float, wording: Wording) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(_frames(relay, first, ping_s, wording), media_type="text/event-stream", headers=headers)
        self._relay = relay
        self._stops = stops

    @classmethod
    async def opened(
        cls,
        source: AsyncIterator[Event],
        request: Request,
        *,
        stops: bool = True,
        ping_s: float = PING_S,
        wording: Wording = UNNAMED,
    ) -> Self:
        """The stream once its first event is there; what the source raises before that is raised."""
        relay = Relay(source)
        try:
            first = await while_connected(request, relay.next())
        except BaseException:
            if stops:
                await relay.close()
            raise
        return cls(relay, first, stops=stops, ping_s=ping_s, wording=wording)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; after an error the answer is left without its end, which cuts the connection."""
        try:
            await super().__call__(scope, receive, send)
        except DarkroomError as error:
            _log.warning("request %s: its stream ended early: %s", scope["state"]["request_id"], error.detail)
        finally:
            if self._stops:
                await self._relay.close()


async def _frames(relay: Relay, event: Event | None, ping_s: float, wording: Wording) -> AsyncIterator[bytes]:
    try:
        while event is not None:
            yield _frame(event, wording)
            while not await relay.has_news(ping_s):
                yield _PING
            event = await relay.next()
    except DarkroomError as error:
        yield _frame(wording.failure(error), wording)
        raise


def _frame(event: Event, wording: Wording) -> bytes:
    name = wording.name(event)
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
