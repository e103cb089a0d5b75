"""An HTTP CONNECT proxy (RFC 9110, section 9.3.6): fal's host names lead to a server of ours, all others through.

An unchanged client that is told of it by HTTPS_PROXY reaches the server with every kind of call.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.api.fal.hosts import FAL_HOSTS

_HEAD = re.compile(rb"CONNECT (?P<host>[^\s:]+|\[[^\s\]]+\]):(?P<port>\d{1,5}) HTTP/1\.[01]\r\n")
_CHUNK_BYTES = 65_536
_HEAD_S = 30.0
_OPENED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
_NO_TUNNEL = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NO_WAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A host and a TCP port."""

    host: str
    port: int


def asked_for(head: bytes) -> Place | None:
    """The place that a request wants a tunnel to; None for a request that wants something else."""
    found = _HEAD.match(head)
    if found is None or not 0 < int(found["port"]) < 65536:
        return None
    return Place(found["host"].decode("latin-1").strip("[]"), int(found["port"]))


def led_to(asked: Place, ours: Place) -> Place:
    """Where a tunnel ends: at our server for fal's names, elsewhere where it was asked for."""
    return ours if asked.host.lower() in FAL_HOSTS else asked


@asynccontextmanager
async def tunnelling(listen: Place, ours: Place) -> AsyncIterator[int]:
    """Offer tunnels until the block is left; the port on which they are offered. Raises OSError when it is taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            await _serve(reader, writer, ours)
        writer.close()

    server = await asyncio.start_server(serve, listen.host, listen.port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def tunnel_always(listen: Place, ours: Place) -> None:
    """Offer tunnels until cancelled; raises OSError when the port is taken."""
    async with tunnelling(listen, ours):
        await asyncio.Event().wait()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ours: Place) -> None:
    async with asyncio.timeout(_HEAD_S):
        asked = asked_for(await reader.readuntil(b"\r\n\r\n"))
    if asked is None:
        writer.write(_NO_TUNNEL)
        await writer.drain()
        return
    end = led_to(asked, ours)
    try:
        far_reader, far_writer = await asyncio.open_connection(end.host, end.port)
    except OSError:
        writer.write(_NO_WAY)
        await writer.drain()
        return
    writer.write(_OPENED)
    await _both_ways((reader, writer), (far_reader, far_writer))


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(near: Side, far: Side) -> None:
    """Copy until both sides have ended, or one has broken."""
    copies = [asyncio.create_task(_copy(near[0], far[1])), asyncio.create_task(_copy(far[0], near[1]))]
    try:
        await asyncio.gather(*copies)
    finally:
        for copy in copies:
            copy.cancel()
        far[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
