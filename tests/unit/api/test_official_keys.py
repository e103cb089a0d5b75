"""The official clients of both dialects at a server that wants keys."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fal_client
import httpx
import openai
import pytest
import uvicorn
from fal_server import official_client
from two_tenants import BASE, House, house

from app.config import AuthSettings, KeyRule, QuotaSettings
from app.storage.tenants import Scope

SCHNELL = "fal-ai/flux/schnell"
PROMPT = {"prompt": "a dot", "seed": 7, "image_size": {"width": 64, "height": 64}}
ASKED: dict[str, Any] = {"model": SCHNELL, "prompt": "a dot", "size": "64x64", "response_format": "url"}


@asynccontextmanager
async def listening(built: House) -> AsyncIterator[str]:
    """The URL of the application on a free port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(built.app, log_level="warning", lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def with_fal(built: House, key: str, use: Callable[[fal_client.SyncClient], Any]) -> Any:
    """What the use of fal's client with that key gives, in a thread of its own."""

    def used(url: str) -> Any:
        with official_client(url, key=key) as client:
            return use(client)

    async with listening(built) as url:
        return await asyncio.to_thread(used, url)


def every_way(client: fal_client.SyncClient) -> list[str]:
    """The ids of the pictures of every way in which the client can ask for one, and what it uploads."""
    outputs = [client.run(SCHNELL, PROMPT), client.subscribe(SCHNELL, PROMPT)]
    outputs += list(client.stream(SCHNELL, PROMPT))[-1:]
    with client.realtime(SCHNELL) as connection:
        connection.send(PROMPT)
        outputs.append(connection.recv())
    assert httpx.get(client.upload(b"words", "text/plain", repository="fal")).content == b"words"
    return [str(output["seed"]) for output in outputs]


async def test_fals_client_works_with_a_key() -> None:
    """Run, queue, stream, realtime with its token, and uploads; every picture is drawn once, for one tenant."""
    async with house("memory") as built:
        made = await built.key("acme")
        seeds = await with_fal(built, made.text, every_way)
        runs = {job.file_salt for job in built.painter.runs}

    assert seeds == ["7"] * 4
    assert len(runs) == 1
    assert runs != {""}


async def test_fals_client_is_told_that_its_key_is_none() -> None:
    """It raises its own error with the status, and asks once."""
    async with house("memory") as built:
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await with_fal(built, "any:key", lambda client: client.run(SCHNELL, PROMPT))

    assert caught.value.status_code == 401


def openai_client(built: House, key: str) -> openai.AsyncOpenAI:
    """OpenAI's client in-process, which tries nothing twice."""
    http = httpx.AsyncClient(transport=httpx.ASGITransport(built.app), base_url=BASE)
    return openai.AsyncOpenAI(api_key=key, base_url=f"{BASE}/v1", http_client=http, max_retries=0)


async def test_openais_client_raises_what_it_raises_elsewhere() -> None:
    """Its own errors for a bad key, for a scope that is missing, and for a quota that is used up."""
    auth = AuthSettings(required=KeyRule.ALWAYS, quota=QuotaSettings(requests=1))
    async with house("memory", auth=auth) as built:
        good, narrow = await built.key("acme"), await built.key("acme", Scope.READ)
        async with openai_client(built, "sk-nothing") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.images.generate(**ASKED)
        async with openai_client(built, narrow.text) as client:
            assert [model.id async for model in client.models.list()]
            with pytest.raises(openai.PermissionDeniedError):
                await client.images.generate(**ASKED)
        async with openai_client(built, good.text) as client:
            assert (await client.images.generate(**ASKED)).data
            with pytest.raises(openai.RateLimitError) as caught:
                await client.images.generate(**ASKED)

    assert int(caught.value.response.headers["retry-after"]) > 3000
