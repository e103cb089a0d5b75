"""fal's host names, and the proxy protocol: both lead to our own routes, and nowhere else."""

import asyncio
from typing import Any

import httpx
import pytest
from asgi import events
from fake_service import FakeService
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from app.api.fal.hosts import path_by_name, path_of_target
from app.generation import JobStep

PROXY = "/api/fal/proxy"
PROMPT = {"prompt": "a cat"}


def to(target: str, **headers: str) -> dict[str, str]:
    """The headers of a proxied call."""
    return {"x-fal-target-url": target, **{name.replace("_", "-"): value for name, value in headers.items()}}


async def by_name(client: httpx.AsyncClient, method: str, url: str, **call: Any) -> httpx.Response:
    """A call that thinks it reaches fal."""
    target = httpx.URL(url)
    headers = {"Host": target.host, **call.pop("headers", {})}
    return await client.request(method, target.raw_path.decode(), headers=headers, **call)


@pytest.mark.parametrize(
    ("host", "path", "ours"),
    [
        ("fal.run", "/fal-ai/flux/dev", "/run/fal-ai/flux/dev"),
        ("FAL.run:443", "/fal-ai/flux/dev", "/run/fal-ai/flux/dev"),
        ("queue.fal.run", "/fal-ai/flux/dev", "/queue/fal-ai/flux/dev"),
        ("rest.fal.ai", "/tokens/", "/rest/tokens/"),
        ("v3.fal.media", "/files/upload", "/cdn/files/upload"),
        ("queue.falrun.com", "/a/b", "/queue/a/b"),
        ("localhost:8000", "/run/a/b", None),
        ("fal.run.evil.example", "/a", None),
        ("", "/a", None),
    ],
)
def test_a_host_name_stands_for_a_prefix(host: str, path: str, ours: str | None) -> None:
    """fal's names, with or without a port; every other host is itself."""
    assert path_by_name(host, path) == ours


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://fal.run/fal-ai/flux/dev", ("/run/fal-ai/flux/dev", "")),
        ("https://queue.fal.run/a/b/requests/1/status?logs=1", ("/queue/a/b/requests/1/status", "logs=1")),
        ("https://rest.fal.ai/tokens/", ("/rest/tokens/", "")),
        ("https://fal.run", ("/run/", "")),
        ("https://fal.run/a%20b", ("/run/a b", "")),
        ("", None),
        ("fal.run/a", None),
        ("http://fal.run/a", None),
        ("file://fal.run/a", None),
        ("https://evil.example/a", None),
        ("https://fal.run.evil.example/", None),
        ("https://fal.run@evil.example/", None),
        ("https://user@fal.run/", None),
        ("https://fal.run:8080/", None),
        ("https://127.0.0.1/", None),
        ("https://[::1]/", None),
        ("https://[bad/", None),
        ("https://evil.example#@fal.run/", None),
        ("https://evil.example\\@fal.run/", None),
    ],
)
def test_only_fals_own_urls_are_targets(url: str, ours: tuple[str, str] | None) -> None:
    """A target is one of fal's hosts, over https, with nothing before or behind the name."""
    assert path_of_target(url) == ours


@given(st.text() | st.from_regex(r"https://[a-z.@:/\\#?\[\]]*"))
def test_no_target_leads_out(url: str) -> None:
    """Whatever a target says, it is one of our paths or nothing."""
    found = path_of_target(url)
    assert found is None or found[0].startswith(("/run/", "/queue/", "/rest/", "/cdn/"))


async def test_a_queued_request_by_name(client: httpx.AsyncClient) -> None:
    """Who calls fal's hosts is told fal's hosts, so that the next call comes here, too."""
    answer = (await by_name(client, "POST", "https://queue.fal.run/fal-ai/flux/dev", json=PROMPT)).json()
    status = await by_name(client, "GET", answer["status_url"])

    assert answer["status_url"] == "http://queue.fal.run/fal-ai/flux/requests/call-1/status"
    assert status.json()["response_url"] == answer["response_url"]


async def test_pictures_by_name(client: httpx.AsyncClient) -> None:
    """Files are where fal has them."""
    answer = await by_name(client, "POST", "https://fal.run/fal-ai/flux/dev", json=PROMPT)
    url = answer.json()["images"][0]["url"]

    assert url.startswith("http://v3.fal.media/files/")
    assert (await by_name(client, "GET", url)).content == b"\x89PNG"


async def test_uploads_by_name(client: httpx.AsyncClient) -> None:
    """Tokens, bytes and files have their hosts."""
    token = (await by_name(client, "POST", "https://rest.fal.ai/storage/auth/token", json={})).json()
    headers = {"Authorization": f"Bearer {token['token']}", "Content-Type": "text/plain"}
    stored = await by_name(client, "POST", f"{token['base_url']}/files/upload", content=b"hello", headers=headers)

    assert token["base_url"] == "http://v3.fal.media"
    assert (await by_name(client, "GET", stored.json()["access_url"])).text == "hello"


async def test_other_names_serve_nothing_else(client: httpx.AsyncClient) -> None:
    """Behind fal's names there is what fal has there, not our own pages."""
    assert (await by_name(client, "GET", "https://fal.run/health")).status_code == 404


async def test_a_proxied_run(client: httpx.AsyncClient, service: FakeService) -> None:
    """The call is served as if it had come directly, with URLs that the browser can use."""
    answer = await client.post(PROXY, json=PROMPT, headers=to("https://fal.run/fal-ai/flux/dev"))

    assert answer.json()["images"][0]["url"] == "http://darkroom/files/0123abcd.png"
    assert service.requests[0].endpoint == "fal-ai/flux/dev"


async def test_a_proxied_request_is_followed(client: httpx.AsyncClient, service: FakeService) -> None:
    """Method, query, headers and body are those of the call itself."""
    submit = to("https://queue.fal.run/fal-ai/flux/dev?fal_webhook=http://a/b", x_fal_queue_priority="low")
    await client.post(PROXY, json=PROMPT, headers=submit)
    request = "https://queue.fal.run/fal-ai/flux/requests/call-1"
    status = await client.get(PROXY, headers=to(f"{request}/status?logs=1"))
    cancelled = await client.put(PROXY, headers=to(f"{request}/cancel"))

    assert (service.requests[0].tier.value, service.requests[0].webhook.url) == ("batch", "http://a/b")
    assert (status.status_code, status.json()["status"]) == (202, "IN_QUEUE")
    assert (cancelled.status_code, service.cancelled) == (202, ["call-1"])


@pytest.mark.parametrize("target", [None, "", "https://evil.example/", "http://169.254.169.254/latest/meta-data"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_call_without_a_target_of_fals_is_refused(
    client: httpx.AsyncClient, method: str, target: str | None
) -> None:
    """The proxy is no way into other networks."""
    answer = await client.request(method, PROXY, headers={} if target is None else to(target))

    assert (answer.status_code, answer.json()) == (400, "Invalid request")
    assert answer.headers["x-fal-request-id"] == "call-1"


async def test_browsers_may_use_the_proxy(client: httpx.AsyncClient) -> None:
    """A page of another origin may send the target, and may read the id of its request."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-fal-target-url"}
    origin = {"Origin": "https://app.example"}
    preflight = await client.options(PROXY, headers=origin | asked)
    answer = await client.post(PROXY, json=PROMPT, headers=to("https://fal.run/fal-ai/flux/dev") | origin)

    assert "x-fal-target-url" in preflight.headers["access-control-allow-headers"]
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].lower().split(",")}
    assert exposed >= {
        "x-fal-request-id",
        "x-fal-error-type",
        "x-fal-request-timeout-type",
        "x-fal-billable-units",
    }


async def test_a_refused_target_can_be_read_by_browsers(client: httpx.AsyncClient) -> None:
    """The refusal has the same cross-origin headers as an answer."""
    answer = await client.post(PROXY, headers={"Origin": "https://app.example"})

    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_stream_is_not_held_back_by_the_proxy(app: FastAPI, service: FakeService) -> None:
    """The first event is there while the picture is still being made."""
    service.gate.clear()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    received: asyncio.Queue[Message] = asyncio.Queue()
    received.put_nowait({"type": "http.request", "body": b'{"prompt": "a cat"}', "more_body": False})

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PROXY,
        "raw_path": PROXY.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"darkroom"), (b"x-fal-target-url", b"https://fal.run/fal-ai/flux/dev/stream")],
        "server": ("darkroom", 80),
        "client": ("127.0.0.1", 1),
    }
    service.steps = (JobStep(job_id="call-1.0", step=1, steps=4),)
    call = asyncio.create_task(app(scope, received.get, sent.put))
    head, first = await sent.get(), await sent.get()
    made = service.stopped.is_set() or service.gate.is_set()
    service.gate.set()
    await call

    assert dict(head["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert events(first["body"].decode())[0]["progress"] == 0.0
    assert not made
