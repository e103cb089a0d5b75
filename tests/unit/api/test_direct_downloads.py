"""Files whose store lets clients read them directly."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx
import pytest
from fakes import MemoryBlobStore
from starlette.applications import Starlette

from app.api.adapted import AdaptedPictures
from app.api.files import DIRECT_S, FileRoutes

NOW_S = 1000.0
Get = Callable[..., Awaitable[httpx.Response]]


class Elsewhere(MemoryBlobStore):
    """A store whose files are given out elsewhere."""

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """A URL that says how long it is good for."""
        return f"https://bucket.example/{key}?for={lifetime_s:g}"


@pytest.fixture
def get() -> Get:
    """Asks for a file of a store with two."""
    blobs = Elsewhere()
    blobs.files = {"a.png": b"picture", "uploads/ab-1060.png": b"upload"}
    app = Starlette()
    FileRoutes(blobs, AdaptedPictures(blobs), clock=lambda: NOW_S).add_to(app)

    async def ask(path: str, method: str = "GET", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
            return await client.request(method, path, headers=headers)

    return ask


async def test_clients_are_sent_there(get: Get) -> None:
    """The answer names the URL, and is forgotten before the URL is over."""
    answer = await get("/files/a.png")

    assert (answer.status_code, answer.headers["location"]) == (307, f"https://bucket.example/a.png?for={DIRECT_S:g}")
    assert answer.headers["cache-control"] == f"private, max-age={int(DIRECT_S / 2)}"


async def test_a_file_is_not_given_out_for_longer_than_it_stays(get: Get) -> None:
    """A URL for an upload that expires is over with it."""
    answer = await get("/cdn/files/uploads/ab-1060.png")

    assert urlsplit(answer.headers["location"]).query == "for=60"


async def test_what_the_bucket_need_not_say_is_said_here(get: Get) -> None:
    """Files that the client has, and questions about a file, are answered by us."""
    known = await get("/files/a.png", **{"If-None-Match": '"a.png"'})
    asked = await get("/files/a.png", "HEAD")

    assert (known.status_code, asked.status_code) == (304, 200)
    assert asked.headers["content-length"] == "7"
