"""Realtime connections: frames in, frames out, one at a time."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import msgpack
import pytest
from fake_service import FakeService
from fakes import FakeClock, settle
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sockets import PATH, connected, refused

from app.api.fal.realtime import LatestFrames
from app.api.fal.realtime_frames import message_of
from app.config import DarkroomSettings
from app.errors import InvalidInputError

PROMPT = {"prompt": "a cat"}


async def token(client: httpx.AsyncClient, path: str = "/rest/tokens/", **body: Any) -> str:
    """A token for a realtime connection."""
    return str((await client.post(path, json=body)).raise_for_status().json())


@pytest.mark.parametrize(
    "path", [PATH, f"{PATH}/realtime", "/fal-ai/flux/schnell/realtime", "/run/fal-ai/flux/schnell"]
)
async def test_a_frame_is_answered_with_pictures(app: FastAPI, path: str) -> None:
    """A map in msgpack is answered with one, whose pictures are bytes; the path may be spelled in several ways."""
    async with connected(app, path) as socket:
        socket.send({**PROMPT, "request_id": "r1", "image_size": {"width": 96, "height": 64}})
        answer = await socket.next()

    image = {"content": b"\x89PNG", "content_type": "image/jpeg", "width": 96, "height": 64}
    assert (answer["images"], answer["seed"], answer["request_id"]) == ([image], 7, "r1")


async def test_text_is_answered_with_text(app: FastAPI) -> None:
    """Where JSON was sent, JSON comes back, with pictures as data URIs; no request_id is invented."""
    async with connected(app) as socket:
        socket.send(json.dumps(PROMPT))
        answer = await socket.next()

    assert answer["images"][0]["url"].startswith("data:image/jpeg;base64,")
    assert "request_id" not in answer


async def test_sync_mode_asks_for_data_uris(app: FastAPI) -> None:
    """A client that wants URLs in its pictures gets them inside."""
    async with connected(app) as socket:
        socket.send({**PROMPT, "sync_mode": True})
        answer = await socket.next()

    assert answer["images"][0]["url"].startswith("data:image/jpeg;base64,")


async def test_an_upscaled_picture_is_one_image(app: FastAPI) -> None:
    """Upscalers answer over a connection in their own form."""
    async with connected(app, "/run/fal-ai/esrgan/realtime") as socket:
        socket.send({"image_url": "http://a/b.png"})
        answer = await socket.next()

    assert answer["image"]["content"] == b"\x89PNG"


@pytest.mark.parametrize(
    "frame",
    [b"\xc1", b"", "{", "[]", "7", msgpack.packb([1]), msgpack.packb({1: 2}), msgpack.packb({b"prompt": 1})],
)
async def test_what_is_no_map_is_refused_and_the_connection_stays(app: FastAPI, frame: bytes | str) -> None:
    """A broken frame is answered with an error; the next frame is served."""
    async with connected(app) as socket:
        socket.send(frame)
        error = await socket.next()
        socket.send(PROMPT)
        answer = await socket.next()

    assert (error["type"], error["error"]) == ("x-fal-error", "INVALID_INPUT")
    assert answer["images"]


async def test_invalid_input_names_what_is_wrong(app: FastAPI) -> None:
    """The error says which field of which input is wrong."""
    async with connected(app) as socket:
        socket.send({**PROMPT, "num_inference_steps": -1, "request_id": "r1"})
        error = await socket.next()

    assert error["reason"] == "Input should be greater than or equal to 1"
    assert (error["detail"][0]["loc"], error["request_id"]) == (["body", "num_inference_steps"], "r1")


async def test_too_large_a_frame_is_refused(app: FastAPI) -> None:
    """A frame has the limit of a body."""
    async with connected(app) as socket:
        socket.send({"prompt": "x" * 1001})
        error = await socket.next()

    assert error["error"] == "FILE_TOO_LARGE"


@pytest.mark.parametrize(("buffering", "served"), [(None, [0, 4]), ("2", [0, 3, 4]), ("60", [0, 1, 2, 3, 4])])
async def test_the_latest_inputs_win(
    app: FastAPI, service: FakeService, buffering: str | None, served: list[int]
) -> None:
    """While one input is worked on, as many wait as were asked for; the oldest beyond them make way."""
    service.gate.clear()
    async with connected(app, **({"max_buffering": buffering} if buffering else {})) as socket:
        socket.send({**PROMPT, "seed": 0})
        await service.started.wait()
        for seed in range(1, 5):
            socket.send({**PROMPT, "seed": seed})
        await settle()
        service.gate.set()
        seeds = [(await socket.next())["seed"] for _ in served]

    assert seeds == served


async def test_a_client_that_leaves_stops_its_work(app: FastAPI, service: FakeService) -> None:
    """Nobody draws for a connection that is gone."""
    service.gate.clear()
    async with connected(app) as socket:
        socket.send(PROMPT)
        await service.started.wait()

    assert service.stopped.is_set()


async def test_an_idle_connection_is_closed(app_of: Callable[..., FastAPI], settings: DarkroomSettings) -> None:
    """Clients are told why, and come back when there is something to draw."""
    server = settings.server.model_copy(update={"realtime_idle_s": 0.001})
    async with connected(app_of(settings.model_copy(update={"server": server}))) as socket:
        error, closed = await socket.next(), await socket.next()

    assert (error["type"], error["error"]) == ("x-fal-error", "TIMEOUT")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1000)


async def test_an_unforeseen_error_closes_the_connection(app: FastAPI, service: FakeService) -> None:
    """What nobody foresaw is told without its story."""
    service.error = RuntimeError("boom")
    async with connected(app) as socket:
        socket.send(PROMPT)
        error, closed = await socket.next(), await socket.next()

    assert (error["error"], error["reason"]) == ("INTERNAL_ERROR", "Internal server error")
    assert closed["code"] == 1011


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/run/no/such/realtime", {}, 404),
        (PATH, {"max_buffering": "61"}, 400),
        (PATH, {"max_buffering": "0"}, 400),
        (PATH, {"max_buffering": "many"}, 400),
        (PATH, {"fal_jwt_token": "forged"}, 401),
    ],
)
async def test_a_handshake_that_cannot_be_served_is_refused(
    app: FastAPI, path: str, query: dict[str, str], status: int
) -> None:
    """The answer says why, where the server in front can send one; elsewhere the connection is not opened."""
    told = await refused(app, path, extensions=("websocket.http.response",), **query)
    bare = await refused(app, path, **query)

    assert (told["type"], told["status"]) == ("websocket.http.response.start", status)
    assert bare["type"] == "websocket.close"


@pytest.mark.parametrize(
    "body",
    [
        {"allowed_apps": ["flux"], "token_expiration": 120},
        {"allowed_apps": ["x", "fal-ai/flux/schnell"], "duration": 120},
        {"allowed_apps": ["fal-ai/flux"]},
        {"app": "fal-ai/flux/schnell"},
    ],
)
@pytest.mark.parametrize("path", ["/rest/tokens/", "/rest/tokens", "/rest/tokens/realtime"])
async def test_a_token_opens_its_apps(app: FastAPI, client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    """Apps are named by alias, by owner and alias, or in full."""
    async with connected(app, fal_jwt_token=await token(client, path, **body)) as socket:
        socket.send(PROMPT)
        assert (await socket.next())["images"]


@pytest.mark.parametrize(
    "name", ["flu", "fal-ai", "fal-ai/flux/dev", "fal-ai/flux/schnell/realtime", "esrgan", "schnell"]
)
async def test_a_token_opens_no_other_apps(app: FastAPI, client: httpx.AsyncClient, name: str) -> None:
    """A part of a name is not the name."""
    answer = await refused(app, fal_jwt_token=await token(client, allowed_apps=[name]))

    assert answer["type"] == "websocket.close"


async def test_a_token_expires_after_an_hour_at_most(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings
) -> None:
    """However long a client asks for."""
    clock = FakeClock()
    app = app_of(settings, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://darkroom") as client:
        long_lived = await token(client, allowed_apps=["flux"], token_expiration=10**9)
    clock.now_s += 3600

    assert (await refused(app, fal_jwt_token=long_lived))["type"] == "websocket.close"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"allowed_apps": []},
        {"allowed_apps": "flux"},
        {"allowed_apps": [""]},
        {"allowed_apps": ["flux"], "token_expiration": 0},
        {"allowed_apps": ["flux"], "token_expiration": "long"},
        {"allowed_apps": ["flux"], "duration": True},
    ],
)
async def test_a_token_for_nothing_is_not_made(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """A token names apps and a time."""
    assert (await client.post("/rest/tokens/", json=body)).status_code == 400


@pytest.mark.parametrize(("grant", "status"), [("flux", 200), ("esrgan", 401)])
async def test_a_stream_takes_tokens_too(client: httpx.AsyncClient, grant: str, status: int) -> None:
    """Browsers that stream directly send the token in the query; it must be for that endpoint."""
    query = urlencode({"fal_jwt_token": await token(client, allowed_apps=[grant])})
    answer = await client.post(f"/run/fal-ai/flux/schnell/stream?{query}", json=PROMPT)

    assert answer.status_code == status


@given(st.binary() | st.text())
def test_no_frame_breaks_the_parser(frame: bytes | str) -> None:
    """Whatever arrives is one map, or is refused."""
    try:
        payload = message_of(frame).payload
    except InvalidInputError:
        return
    assert all(isinstance(key, str) for key in payload)


@given(st.lists(st.text(), min_size=1), st.integers(1, 60))
async def test_what_waits_is_the_end_of_what_came(frames: list[str], room: int) -> None:
    """Of everything that came, the last are there, in order."""
    waiting = LatestFrames(room)
    for frame in frames:
        waiting.put(frame)

    assert [await waiting.take(1) for _ in frames[-room:]] == frames[-room:]
    assert await waiting.take(0) is None
