"""A server that draws nothing, in two versions.

`bare` answers every request with fixed bytes as soon as it has come, without looking at it: what is
left is the client, which is what it measures. `fastapi` reads the same body and answers as many
bytes as a picture has through FastAPI and uvicorn: the price of HTTP itself.
"""

import argparse
import asyncio
import struct
from typing import cast

import uvicorn
import uvloop
from benchmarks.engine.asks import Ask
from fastapi import FastAPI, Response

FILE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 64, 64) + bytes(2_200)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-type: image/png\r\n\r\n%b" % (len(FILE), FILE)


class Immediate(asyncio.Protocol):
    """Answers whenever something comes; our client sends a request in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


async def serve_bare(port: int) -> None:
    """Answer for ever."""
    server = await asyncio.get_running_loop().create_server(Immediate, "127.0.0.1", port)
    await server.serve_forever()


def application() -> FastAPI:
    """The FastAPI version."""
    app = FastAPI()

    @app.post("/draw")
    async def draw(ask: Ask) -> Response:
        return Response(FILE, media_type="image/png")

    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fastapi", action="store_true")
    arguments = parser.parse_args()
    if arguments.fastapi:
        uvicorn.run(application(), host="127.0.0.1", port=arguments.port, log_level="error", access_log=False)
    else:
        uvloop.run(serve_bare(arguments.port))


if __name__ == "__main__":
    main()
