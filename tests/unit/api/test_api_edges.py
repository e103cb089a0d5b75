"""What holds for every call: ids, cross-origin headers, health, files, and whatever headers clients send."""

from collections.abc import Callable

import httpx
import pytest
from fake_service import FakeService
from fakes import MemoryBlobStore
from fastapi import FastAPI

from app.api.app import random_id, random_seed
from app.config import DarkroomSettings

FILE = "/files/0123abcd.png"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/nowhere"),
        ("POST", "/nowhere"),
        ("OPTIONS", "/run/fal-ai/flux/schnell"),
        ("PROPFIND", "/health"),
        ("GET", "/api/openapi/queue/openapi.json?endpoint_id=fal-ai/flux/dev"),
        ("GET", "/files/nothing"),
        ("POST", "/queue/fal-ai/flux/dev"),
    ],
)
async def test_every_answer_carries_a_request_id(client: httpx.AsyncClient, method: str, path: str) -> None:
    """Success or failure, known or unknown, an answer has x-fal-request-id."""
    answer = await client.request(method, path)

    assert answer.headers["x-fal-request-id"] == "call-1"


async def test_preflight_allows_fals_headers_and_methods(client: httpx.AsyncClient) -> None:
    """Browsers may send any header of fal's clients, and PUT."""
    answer = await client.options(
        "/queue/fal-ai/flux/dev/requests/1/cancel",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,x-fal-queue-priority,x-app-fal-disable-fallback",
        },
    )

    assert answer.status_code == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "x-app-fal-disable-fallback" in answer.headers["access-control-allow-headers"]
    assert answer.headers["x-fal-request-id"] == "call-1"


async def test_browsers_may_read_fals_headers_even_on_unforeseen_errors(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    """Cross-origin answers expose the request id, whatever happened."""
    service.error = RuntimeError("boom")
    answer = await client.post("/run/fal-ai/flux/dev", json={"prompt": "x"}, headers={"Origin": "https://app.example"})

    assert answer.status_code == 500
    assert "x-fal-request-id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("value", ["Key a:b", "Bearer x", "", "Key", "\x00", "ÿ", "Basic " + "x" * 5000])
async def test_any_authorization_header_is_tolerated(client: httpx.AsyncClient, value: str) -> None:
    """While no key is needed, no Authorization header can break a call."""
    headers = [(b"authorization", value.encode("latin-1"))]
    answer = await client.post("/run/fal-ai/flux/dev", json={"prompt": "x"}, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["", "[::bad", "a b", 'x"y', "darkroom:99999", "darkroom:port", "ÿ", "@"])
async def test_any_host_header_is_tolerated(client: httpx.AsyncClient, host: str) -> None:
    """A strange Host header never breaks a call."""
    headers = [(b"host", host.encode("latin-1"))]
    answer = await client.post("/run/fal-ai/flux/dev", json={"prompt": "x"}, headers=headers)

    assert answer.status_code == 200


async def test_public_url_replaces_what_the_client_used(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings
) -> None:
    """With a configured public URL, answers name it instead of the Host header."""
    server = settings.server.model_copy(update={"public_url": "https://pictures.example/"})
    app = app_of(settings.model_copy(update={"server": server}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside") as client:
        answer = await client.post("/queue/fal-ai/flux/dev", json={"prompt": "x"})

    assert answer.json()["status_url"].startswith("https://pictures.example/queue/fal-ai/flux/requests/")


async def test_file_is_served_for_ever(client: httpx.AsyncClient, blobs: MemoryBlobStore) -> None:
    """A finished picture has its type, a tag, and no date of expiry worth naming."""
    blobs.files["0123abcd.png"] = b"\x89PNG"
    answer = await client.get(FILE)

    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["etag"] == '"0123abcd.png"'


async def test_known_file_is_not_sent_again(client: httpx.AsyncClient, blobs: MemoryBlobStore) -> None:
    """A caller that has the file gets 304 and no bytes."""
    blobs.files["0123abcd.png"] = b"\x89PNG"
    answer = await client.get(FILE, headers={"If-None-Match": '"0123abcd.png"'})

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("range_", "status", "content", "where"),
    [
        ("bytes=1-2", 206, b"PN", "bytes 1-2/4"),
        ("bytes=-1", 206, b"G", "bytes 3-3/4"),
        ("bytes=9-", 416, b"", "bytes */4"),
    ],
)
async def test_a_part_of_a_file_is_served(
    client: httpx.AsyncClient, blobs: MemoryBlobStore, range_: str, status: int, content: bytes, where: str
) -> None:
    """Downloads can be continued."""
    blobs.files["0123abcd.png"] = b"\x89PNG"
    answer = await client.get(FILE, headers={"Range": range_})

    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (status, content, where)


async def test_head_tells_the_size(client: httpx.AsyncClient, blobs: MemoryBlobStore) -> None:
    """HEAD has the headers of GET, and no bytes."""
    blobs.files["0123abcd.png"] = b"\x89PNG"
    answer = await client.head(FILE)

    assert (answer.headers["content-length"], answer.headers["accept-ranges"], answer.content) == ("4", "bytes", b"")


async def test_a_large_file_is_served_in_pieces(client: httpx.AsyncClient, blobs: MemoryBlobStore) -> None:
    """The server never holds more than a piece of it."""
    blobs.files["0123abcd.bin"] = bytes(range(256)) * 10_000
    answer = await client.get("/cdn/files/0123abcd.bin")

    assert answer.content == blobs.files["0123abcd.bin"]
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("path", [FILE, "/files/", "/files/scratch/job.png", "/files/..%2f..%2fetc%2fpasswd"])
async def test_other_files_are_not_found(client: httpx.AsyncClient, blobs: MemoryBlobStore, path: str) -> None:
    """Nothing is served but finished pictures: no scratch files, nothing outside the store."""
    blobs.files["scratch/job.png"] = b"native"
    answer = await client.get(path)

    assert answer.status_code == 404


@pytest.mark.parametrize(("warm", "status"), [(True, 200), (False, 503)])
async def test_ready_means_warm(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings, warm: bool, status: int
) -> None:
    """A process whose models are not warm is healthy, but not ready."""

    async def is_warm() -> bool:
        return warm

    transport = httpx.ASGITransport(app_of(settings, is_warm=is_warm))
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == status


def test_random_ids_and_seeds_differ() -> None:
    """Two requests do not share an id, and seeds cover 32 bits."""
    assert random_id() != random_id()
    assert all(0 <= random_seed() < 2**32 for _ in range(100))
