"""An exact cache as an ASGI middleware: the body of a request is the key, its answer the value.

All peers take ASGI middlewares, so that each has the same cache at the same place, before its
queue and batcher. It acts only on requests that ask for it, which are those of the phases about
hits; it neither parses nor validates, and so costs less than a cache that does.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

CACHED = (b"x-exact-cache", b"1")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class ExactCache:
    """Answers a request whose body was answered before with the same messages."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._answers: dict[bytes, list[Message]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve from memory what asks for it and is known; pass on everything else."""
        if scope["type"] != "http" or CACHED not in scope["headers"]:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        for message in self._answers.get(body) or await self._answer(body, scope, receive):
            await send(message)

    async def _answer(self, body: bytes, scope: Message, receive: Receive) -> list[Message]:
        unread = [{"type": "http.request", "body": body, "more_body": False}]
        messages: list[Message] = []

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, again, keep)
        if messages and messages[0]["status"] == 200:
            self._answers[body] = messages
        return messages


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
