"""The fetcher: pinned connections, redirects, limits, our own files."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fakes import MemoryBlobStore

from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.config import FetchSettings
from app.errors import InvalidInputError

HOSTS = {"pictures.example": ("93.184.216.34",), "inside.example": ("10.0.0.1",), "both.example": ("8.8.8.8", "::1")}

Answer = Callable[[httpx.Request], Any]


async def known_hosts(host: str, port: int) -> tuple[str, ...]:
    """Resolves the names above."""
    if host not in HOSTS:
        raise OSError("no such host")
    return HOSTS[host]


def ok(data: bytes, status: int = 200) -> httpx.Response:
    """An answer with that body, sent as a stream as servers do."""

    async def stream() -> AsyncIterator[bytes]:
        yield data

    return httpx.Response(status, content=stream())


def fetcher(answer: Answer, **settings: Any) -> GuardedFetcher:
    """A fetcher whose requests `answer` serves."""
    blobs = MemoryBlobStore()
    blobs.files["0123abcd.png"] = b"ours"
    blobs.files["scratch/job.png"] = b"native"
    return GuardedFetcher(
        settings=FetchSettings(**settings),
        blobs=blobs,
        open_transport=lambda: httpx.MockTransport(answer),
        resolve=known_hosts,
    )


async def refusal(fetcher: GuardedFetcher, url: str) -> str:
    """The type of the error by which the URL is refused."""
    with pytest.raises(InvalidInputError) as refused:
        await fetcher.fetch(url, own_base="http://darkroom")
    return refused.value.issues[0].issue_type


async def test_connection_goes_to_the_checked_address() -> None:
    """The request is sent to the resolved address, under the name that was asked for."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return ok(b"picture")

    await fetcher(answer).fetch("https://pictures.example:8443/a.png?b=1", own_base="http://darkroom")

    (request,) = sent
    assert str(request.url) == "https://93.184.216.34:8443/a.png?b=1"
    assert request.headers["host"] == "pictures.example:8443"
    assert request.extensions["sni_hostname"] == "pictures.example"


@pytest.mark.parametrize("host", ["inside.example", "both.example", "unknown.example"])
async def test_name_with_a_private_address_is_refused(host: str) -> None:
    """One private address among those of a name is enough."""
    assert await refusal(fetcher(lambda _: ok(b"x")), f"http://{host}/a.png") == "file_download_error"


async def test_private_addresses_can_be_allowed() -> None:
    """With allow_private_addresses, a neighbour's pictures can be used."""
    fetch = fetcher(lambda _: ok(b"x"), allow_private_addresses=True).fetch

    assert await fetch("http://inside.example/a.png", own_base="http://darkroom") == b"x"


@pytest.mark.parametrize(
    "target", ["http://inside.example/", "file:///etc/passwd", "data:,x", "//inside.example/", "http://[::1]/"]
)
async def test_redirect_is_checked_like_the_first_address(target: str) -> None:
    """A redirect cannot lead where a URL may not."""
    redirecting = fetcher(lambda _: httpx.Response(302, headers={"location": target}))

    assert await refusal(redirecting, "http://pictures.example/a.png") == "file_download_error"


async def test_redirects_are_followed_three_times() -> None:
    """The third redirect is followed, the fourth is not."""

    def answer(request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        return httpx.Response(302, headers={"location": f"/{left - 1}"}) if left else ok(b"x")

    assert await fetcher(answer).fetch("http://pictures.example/3", own_base="http://darkroom") == b"x"
    assert await refusal(fetcher(answer), "http://pictures.example/4") == "file_download_error"


async def test_download_stops_at_the_limit() -> None:
    """A file over the limit is given up as soon as that is known."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 100

    limited = fetcher(lambda _: httpx.Response(200, content=endless()), max_bytes=1000)

    assert await refusal(limited, "http://pictures.example/a.png") == "file_too_large"
    assert sent == 11


async def test_slow_server_is_given_up() -> None:
    """A server that does not answer in time is a failed download."""

    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return httpx.Response(200)

    assert await refusal(fetcher(answer, timeout_s=0.01), "http://pictures.example/a.png") == "file_download_error"


@pytest.mark.parametrize("status", [204, 301, 404, 500])
async def test_answer_other_than_200_is_a_failed_download(status: int) -> None:
    """Only a 200 carries a picture; a redirect to nowhere does not."""
    assert await refusal(fetcher(lambda _: ok(b"x", status)), "http://pictures.example/") == "file_download_error"


async def test_broken_connection_is_a_failed_download() -> None:
    """What goes wrong on the network is told without its details."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("10.0.0.1 refused")

    with pytest.raises(InvalidInputError) as refused:
        await fetcher(answer).fetch("http://pictures.example/", own_base="http://darkroom")

    assert refused.value.detail == "Failed to download the file: the address cannot be reached"


async def test_our_own_files_come_from_the_store() -> None:
    """A URL that we gave out is read from the store, although its address is private."""
    fetch = fetcher(lambda _: httpx.Response(500)).fetch

    assert await fetch("http://darkroom/files/0123abcd.png", own_base="http://darkroom") == b"ours"


@pytest.mark.parametrize("key", ["nothing.png", "scratch/job.png", "../secret", ""])
async def test_other_names_below_our_files_are_failed_downloads(key: str) -> None:
    """Scratch files and unknown names cannot be had through our own URL either."""
    refused = await refusal(fetcher(lambda _: httpx.Response(500)), f"http://darkroom/files/{key}")

    assert refused == "file_download_error"


async def test_data_uri_is_decoded_without_the_network() -> None:
    """A data URI carries its own bytes."""
    fetch = fetcher(lambda _: httpx.Response(500)).fetch

    assert await fetch("DATA:image/png;base64,cGlj", own_base="http://darkroom") == b"pic"


def test_transports_are_new_each_time() -> None:
    """No connection is shared between fetches."""
    open_transport = tls_transports()

    assert open_transport() is not open_transport()
