"""OpenAI's routes in-process: forms that nobody should send, bodies that are too large, callers who leave."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from asgi import RawCall
from fake_service import FakeService
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.api.openai.forms import parse_edit
from app.config import DarkroomSettings
from app.errors import DarkroomError
from app.generation import ImageFormat, Task, Tier

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
FORM = "multipart/form-data; boundary=x"
PIECES = [
    "--x",
    "--x--",
    "\r\n",
    "\r\n\r\n",
    'Content-Disposition: form-data; name="image"',
    '; filename="a"',
    "ÿ",
    "x" * 9,
]


def part(name: str, content: str, *, file: bool = False) -> str:
    """One part of a form."""
    named = f'name="{name}"' + ('; filename="a.png"' if file else "")
    return f"--x\r\nContent-Disposition: form-data; {named}\r\n\r\n{content}\r\n"


GOOD = part("prompt", "a") + part("image", "pixels", file=True)


async def refusal(client: httpx.AsyncClient, body: str, content_type: str = FORM) -> tuple[int, dict[str, Any]]:
    """Status and error of an edit with that body."""
    answer = await client.post(EDITS, content=body.encode(), headers={"content-type": content_type})
    error: dict[str, Any] = answer.json()["error"]
    return answer.status_code, error


async def test_a_generation_as_the_service_sees_it(client: httpx.AsyncClient, service: FakeService) -> None:
    """What OpenAI's words mean for the request: direct, as many as asked, in the encoding asked for."""
    asked = {"prompt": "a", "n": 3, "size": "640x480", "output_format": "webp", "output_compression": 60, "user": None}
    answer = await client.post(GENERATIONS, json=asked)

    (request,) = service.requests
    assert answer.status_code == 200
    assert (request.num_images, request.tier, request.spec.task) == (3, Tier.INTERACTIVE, Task.TEXT_TO_IMAGE)
    assert (request.spec.width, request.spec.height, request.spec.seed) == (640, 480, 7)
    assert (request.spec.image_format, request.spec.quality) == (ImageFormat.WEBP, 60)
    assert answer.headers["x-request-id"] == request.request_id


async def test_an_edit_as_the_service_sees_it(client: httpx.AsyncClient, service: FakeService) -> None:
    """The picture of a form becomes the source; its text fields are understood as numbers and words."""
    form = GOOD + part("n", "2") + part("seed", "9") + part("stream", "false") + "--x--\r\n"
    answer = await client.post(EDITS, content=form.encode(), headers={"content-type": FORM})

    (request,) = service.requests
    assert answer.status_code == 200
    assert (request.num_images, request.spec.seed, request.spec.task) == (2, 9, Task.IMAGE_TO_IMAGE)
    assert (request.spec.width, request.spec.height) == (160, 120)


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        ("", "application/json", "sent as multipart"),
        ("", "multipart/form-data", "boundary"),
        ("", FORM, "cannot be read"),
        ("nothing", FORM, "cannot be read"),
        ("--y\r\n", FORM, "cannot be read"),
        ("--x\r\n\r\npixels\r\n--x--\r\n", FORM, "cannot be read"),
        (GOOD * 30 + "--x--\r\n", FORM, "Too many"),
        (part("prompt", "a") + "--x--\r\n", FORM, "there are 0"),
        (part("image", "text") + "--x--\r\n", FORM, "should be a file"),
        (GOOD + part("image[]", "more", file=True) + "--x--\r\n", FORM, "there are 2"),
        (GOOD + part("markup", "more", file=True) + "--x--\r\n", FORM, "where to edit"),
    ],
)
async def test_forms_that_are_refused(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings, body: str, content_type: str, words: str
) -> None:
    """A form that is none, or asks for what cannot be done, is a 400 in OpenAI's envelope that says why."""
    server = settings.server.model_copy(update={"max_body_bytes": 100_000})
    transport = httpx.ASGITransport(app_of(settings.model_copy(update={"server": server})))
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        status, error = await refusal(client, body, content_type)

    assert (status, error["type"]) == (400, "invalid_request_error")
    assert words in error["message"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12), boundary=st.sampled_from(["x", "", "x" * 300, '"', "é"]))
async def test_any_form_is_understood_or_refused(pieces: list[str], boundary: str) -> None:
    """Whatever a form says, nothing but an error of ours comes of it."""
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    try:
        form = await parse_edit("".join(pieces).encode(), headers)
    except DarkroomError:
        return
    assert isinstance(form.image, bytes)


@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
async def test_bodies_that_are_too_large(client: httpx.AsyncClient, path: str) -> None:
    """A body beyond the limit is a 413 in OpenAI's envelope."""
    answer = await client.post(path, content=b"x" * 1001, headers={"content-type": FORM})

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"prompt": 1}', b'{"prompt": "a", "size": ["x"], "quality": {}}']
)
async def test_json_that_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    """A body that is no input is a 400 that says what is wrong."""
    answer = await client.post(GENERATIONS, content=content)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_leaving_stops_the_work(app: FastAPI, service: FakeService, streamed: bool) -> None:
    """A caller who closes the connection stops the work, streamed or not."""
    service.gate.clear()
    call = RawCall(app, GENERATIONS, {"prompt": "a", "stream": streamed})
    serving = asyncio.create_task(call.run())
    await service.started.wait()
    call.gone.set()

    await asyncio.wait_for(service.stopped.wait(), 5)
    await serving


async def test_events_are_named(client: httpx.AsyncClient) -> None:
    """Each event of a stream bears its type as its name."""
    answer = await client.post(GENERATIONS, json={"prompt": "a", "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: image_generation.completed\ndata: {")


async def test_a_server_without_editors(app_of: Callable[..., FastAPI], settings: DarkroomSettings) -> None:
    """Where no endpoint draws from pictures, edits say so, by whatever name they are asked for."""
    only = {"fal-ai/flux/schnell": settings.endpoints["fal-ai/flux/schnell"]}
    transport = httpx.ASGITransport(app_of(settings.model_copy(update={"endpoints": only})))
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        unnamed = await refusal(client, GOOD + "--x--\r\n")
        named = await refusal(client, GOOD + part("model", "fal-ai/flux/schnell") + "--x--\r\n")

    assert (unnamed[0], unnamed[1]["code"]) == (404, "model_not_found")
    assert (named[0], named[1]["param"]) == (400, "model")
