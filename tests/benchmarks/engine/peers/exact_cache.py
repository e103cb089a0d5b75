"""An exact cache as an ASGI middleware: what a request asks for is the key, the whole answer the value.

All peers take ASGI middlewares, so that each has the same cache at the same place: in the process
that speaks HTTP, before queue and batcher. It acts only on requests that ask for it, which are those
of the phases about hits. It does not validate, and so costs less than one behind a framework's routes.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

CACHED = (b"x-exact-cache", b"1")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class ExactCache:
    """Answers a request that was answered before with the same messages."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._answers: dict[str, list[Message]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve from memory what asks for it and is known; pass on everything else."""
        if scope["type"] != "http" or CACHED not in scope["headers"]:
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        asked = json.dumps(json.loads(body), sort_keys=True)
        for message in self._answers.get(asked) or await self._answer(asked, body, scope, receive):
            await send(_copy(message))

    async def _answer(self, asked: str, body: bytes, scope: Message, receive: Receive) -> list[Message]:
        unread = [{"type": "http.request", "body": body, "more_body": False}]
        messages: list[Message] = []

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, again, keep)
        if messages and messages[0]["status"] == 200:
            self._answers[asked] = messages
        return messages


def _copy(message: Message) -> Message:
    """The message with headers of its own, to which servers add theirs."""
    return {**message, "headers": [*message["headers"]]} if "headers" in message else message


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
