"""Tunnels: fal's hosts lead to our server, all others where they lead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.tunnel import Place, asked_for, led_to, tunnelling

OURS = Place("127.0.0.1", 8443)


@pytest.mark.parametrize(
    ("head", "place"),
    [
        (b"CONNECT fal.run:443 HTTP/1.1\r\nHost: fal.run:443\r\n\r\n", Place("fal.run", 443)),
        (b"CONNECT [::1]:80 HTTP/1.0\r\n\r\n", Place("::1", 80)),
        (b"CONNECT fal.run HTTP/1.1\r\n\r\n", None),
        (b"CONNECT fal.run:0 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT fal.run:99999 HTTP/1.1\r\n\r\n", None),
        (b"GET http://fal.run/ HTTP/1.1\r\n\r\n", None),
        (b"CONNECT a b:443 HTTP/1.1\r\n\r\n", None),
    ],
)
def test_a_tunnel_is_asked_for_by_host_and_port(head: bytes, place: Place | None) -> None:
    """Everything else is no call for a tunnel."""
    assert asked_for(head) == place


@given(st.binary())
def test_no_request_breaks_the_parser(head: bytes) -> None:
    """Whatever is sent asks for a place or for nothing."""
    asked = asked_for(head)
    assert asked is None or 0 < asked.port < 65536


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (Place("queue.fal.run", 443), OURS),
        (Place("V3.FAL.MEDIA", 443), OURS),
        (Place("example.com", 443), Place("example.com", 443)),
        (Place("fal.run.example.com", 443), Place("fal.run.example.com", 443)),
    ],
)
def test_fals_hosts_lead_to_us(asked: Place, end: Place) -> None:
    """All others lead where they were asked for."""
    assert led_to(asked, OURS) == end


@asynccontextmanager
async def shouting() -> AsyncIterator[Place]:
    """A server that answers in capitals when its client has said everything."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.write_eof()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1])


async def said(port: int, head: bytes, words: bytes) -> bytes:
    """Everything that comes back through the tunnel at the port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + words)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_bytes_go_both_ways() -> None:
    """A tunnel carries what is said and what is answered, to us by name and to others by address."""
    async with shouting() as ours, shouting() as theirs, tunnelling(Place("127.0.0.1", 0), ours) as port:
        for host, place in (("fal.run", Place("fal.run", 443)), (theirs.host, theirs)):
            head = f"CONNECT {host}:{place.port} HTTP/1.1\r\n\r\n".encode()
            answer = await said(port, head, b"hello" * 50_000)

            assert answer.partition(b"\r\n\r\n")[2] == b"HELLO" * 50_000


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"GET / HTTP/1.1\r\n\r\n", b"405"), (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", b"502"), (b"CONNECT", b"")],
)
async def test_what_cannot_be_is_refused(head: bytes, status: bytes) -> None:
    """No tunnel to nowhere, and none for what asks for something else; who says too little hears nothing."""
    async with tunnelling(Place("127.0.0.1", 0), OURS) as port:
        answer = await said(port, head, b"")

    assert answer[9:12] == status
