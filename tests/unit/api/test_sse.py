"""Event streams."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asgi import RawCall, events
from fakes import settle
from fastapi import FastAPI, Request
from starlette.responses import Response

from app.api.sse import EventStream, Relay


async def numbers(gate: asyncio.Event, closed: asyncio.Event) -> AsyncIterator[dict[str, int]]:
    """Two events, with a pause between them that lasts until the gate opens."""
    try:
        yield {"number": 1}
        await gate.wait()
        yield {"number": 2}
    finally:
        closed.set()


async def test_relay_passes_events_in_order() -> None:
    """Every event comes once, and None after the last, again and again."""
    gate, closed = asyncio.Event(), asyncio.Event()
    gate.set()
    relay = Relay(numbers(gate, closed))

    assert [await relay.next() for _ in range(4)] == [{"number": 1}, {"number": 2}, None, None]


async def test_relay_knows_whether_there_is_news() -> None:
    """Between events there is none; after the last one the end is news."""
    gate, closed = asyncio.Event(), asyncio.Event()
    relay = Relay(numbers(gate, closed))
    await relay.next()

    assert not await relay.has_news(0.0)
    gate.set()
    assert await relay.has_news(1.0)
    await relay.close()


async def test_closed_relay_has_cleaned_its_source() -> None:
    """When close returns, the source's own clean-up has run."""
    gate, closed = asyncio.Event(), asyncio.Event()
    relay = Relay(numbers(gate, closed))
    await relay.next()
    await relay.close()

    assert closed.is_set()


async def test_relay_raises_what_its_source_raises() -> None:
    """An error comes in its turn, after the events before it."""

    async def failing() -> AsyncIterator[dict[str, int]]:
        yield {"number": 1}
        raise TimeoutError("of the source")

    relay = Relay(failing())

    assert await relay.next() == {"number": 1}
    with pytest.raises(TimeoutError, match="of the source"):
        await relay.next()


async def test_silence_is_filled_with_pings() -> None:
    """While nothing happens, comments keep the connection open."""
    gate, closed = asyncio.Event(), asyncio.Event()
    app = FastAPI()

    @app.post("/")
    async def stream(request: Request) -> Response:
        await request.body()
        return await EventStream.opened(numbers(gate, closed), request, ping_s=0.001)

    call = RawCall(app, "/", {})
    served = asyncio.create_task(call.run())
    while not any(message.get("body") == b": ping\n\n" for message in call.sent):
        await settle()
    gate.set()
    await served

    assert events(b"".join(message.get("body", b"") for message in call.sent).decode()) == [
        {"number": 1},
        {"number": 2},
    ]
