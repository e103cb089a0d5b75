"""A client of WebSockets of an ASGI application, in-process."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgpack
from fastapi import FastAPI

PATH = "/run/fal-ai/flux/schnell/realtime"
_NOTHING: Mapping[str, str] = {}


class Socket:
    """A client of one WebSocket of an ASGI application; `received` is everything that the application sent."""

    def __init__(
        self,
        app: FastAPI,
        path: str,
        *,
        extensions: tuple[str, ...] = (),
        headers: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
    ) -> None:
        self._app = app
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Event()
        self.received: list[dict[str, Any]] = []
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": urlencode(query).encode(),
            "headers": [
                (b"host", b"darkroom"),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("darkroom", 80),
            "subprotocols": [],
            "extensions": {name: {} for name in extensions},
        }

    def open(self) -> None:
        """Ask for the connection."""
        self._incoming.put_nowait({"type": "websocket.connect"})

    async def run(self) -> None:
        """Let the application serve the connection to its end."""
        await self._app(self._scope, self._incoming.get, self._send)

    def send(self, payload: Any) -> None:
        """Send one input: text as it is, bytes as they are, anything else as msgpack."""
        if isinstance(payload, str):
            self._incoming.put_nowait({"type": "websocket.receive", "text": payload})
        else:
            data = payload if isinstance(payload, bytes) else msgpack.packb(payload)
            self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self) -> None:
        """Close the connection."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def next(self) -> Any:
        """The next answer, decoded; of a message that is no frame, the message itself."""
        while not self.received:
            self._news.clear()
            await self._news.wait()
        return _decoded(self.received.pop(0))

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.received.append(dict(message))
        self._news.set()


def _decoded(message: dict[str, Any]) -> Any:
    if message["type"] != "websocket.send":
        return message
    return msgpack.unpackb(message["bytes"]) if message.get("bytes") is not None else json.loads(message["text"])


@asynccontextmanager
async def connected(
    app: FastAPI, path: str = PATH, *, headers: Mapping[str, str] = _NOTHING, **query: str
) -> AsyncIterator[Socket]:
    """An open connection, whose client leaves at the end of the block."""
    socket = Socket(app, path, headers=headers, query=query)
    socket.open()
    task = asyncio.create_task(socket.run())
    assert (await socket.next())["type"] == "websocket.accept"
    yield socket
    socket.leave()
    await task


async def refused(app: FastAPI, path: str = PATH, *, extensions: tuple[str, ...] = (), **query: str) -> dict[str, Any]:
    """The first message of the refusal of a connection."""
    socket = Socket(app, path, extensions=extensions, query=query)
    socket.open()
    await socket.run()
    return socket.received[0]
