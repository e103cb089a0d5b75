"""The client of the command line, against answers as the server writes them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.cli.client import Answer, Client, Progress, ServerUnreachableError, key_for
from app.errors import GenerationFailedError

URL = "http://darkroom.test"
OUTPUT = {"images": [{"url": f"{URL}/files/a.png"}], "seed": 7}


def client_of(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    """A client whose requests the handler answers."""
    return Client(URL, httpx.AsyncClient(transport=httpx.MockTransport(handler)))


def stream(*events: dict[str, Any]) -> httpx.Response:
    """A stream of server-sent events."""
    body = ": ping\n\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)


async def test_progress_and_answer() -> None:
    """Progress comes as it is streamed, the output last."""
    client = client_of(lambda _: stream({"progress": 0.5, "message": "Step 2 of 4"}, OUTPUT))

    events = [event async for event in client.draw("fal-ai/flux/schnell", {"prompt": "a red circle"})]

    assert events == [Progress(0.5, "Step 2 of 4"), Answer(OUTPUT)]


async def test_request_on_the_wire() -> None:
    """The input goes to the endpoint's stream as JSON."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return stream(OUTPUT)

    _ = [event async for event in client_of(answer).draw("fal-ai/flux/dev", {"prompt": "x", "seed": 1})]

    assert str(asked[0].url) == f"{URL}/run/fal-ai/flux/dev/stream"
    assert json.loads(asked[0].content) == {"prompt": "x", "seed": 1}


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(404, json={"detail": "Path /x not found"}), "Path /x not found"),
        (httpx.Response(422, json={"detail": [{"loc": ["body", "seed"], "msg": "too big"}]}), "body.seed: too big"),
        (httpx.Response(502, text="<html>"), "answered 502"),
        (stream({"progress": 0.5}, {"detail": "replica lost", "error_type": "runner_disconnected"}), "replica lost"),
    ],
    ids=["unknown endpoint", "bad input", "no JSON", "after the first step"],
)
async def test_errors_are_told_in_the_servers_words(response: httpx.Response, words: str) -> None:
    """Whatever goes wrong on the server, before or after the first event, its own explanation is raised."""
    with pytest.raises(GenerationFailedError, match=words):
        _ = [event async for event in client_of(lambda _: response).draw("x", {})]


async def test_nobody_listens() -> None:
    """A refused connection says how to start a server."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ServerUnreachableError, match="darkroom up"):
        _ = [event async for event in client_of(refuse).draw("x", {})]


async def test_fetch() -> None:
    """A picture's bytes are fetched from its URL; a missing one raises."""
    answers = {"/files/a.png": httpx.Response(200, content=b"PNG")}
    client = client_of(lambda request: answers.get(request.url.path, httpx.Response(404, json={"detail": "no file"})))

    assert await client.fetch(f"{URL}/files/a.png") == b"PNG"
    with pytest.raises(GenerationFailedError, match="no file"):
        await client.fetch(f"{URL}/files/b.png")


async def test_a_key_is_shown_to_the_server_alone() -> None:
    """Not to another host or port that one of its answers names, nor without encryption where that was asked for."""
    shown: dict[str, str | None] = {}

    def note(request: httpx.Request) -> httpx.Response:
        shown[str(request.url)] = request.headers.get("authorization")
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(note), auth=key_for("https://a.test/", "id:s")) as http:
        for url in ("https://a.test/files/x", "https://b.test/", "https://a.test:81/", "http://a.test/"):
            await http.get(url)

    assert [url for url, key in shown.items() if key] == ["https://a.test/files/x"]
    assert shown["https://a.test/files/x"] == "Key id:s"
    assert key_for("https://a.test/", None) is None
