"""Calls to an ASGI application whose client can leave, and event streams read back."""

import asyncio
import json
from typing import Any


class RawCall:
    """A POST whose connection drops when `gone` is set; `sent` is what the application answered so far."""

    def __init__(self, app: Any, path: str, payload: Any) -> None:
        self._app = app
        self._path = path
        self._chunks = [json.dumps(payload).encode()]
        self.gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Let the application serve the call to its end."""
        await self._app(self._scope(), self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._chunks:
            return {"type": "http.request", "body": self._chunks.pop(0), "more_body": bool(self._chunks)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def _scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"darkroom")],
            "scheme": "http",
            "server": ("darkroom", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }


def events(text: str) -> list[Any]:
    """The JSON documents of an event stream."""
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
