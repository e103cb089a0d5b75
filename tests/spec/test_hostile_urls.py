"""URLs by which a caller may try to reach into our network, and those that are fine.

Every form goes through the system's own resolver; nothing is connected to, because the
transport of these tests answers in its place.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from fakes import MemoryBlobStore
from hostile import corpus

from app.api.addresses import is_public, resolve
from app.api.fetch import GuardedFetcher
from app.config import FetchSettings
from app.errors import InvalidInputError

PRIVATE_ADDRESSES = [
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1::",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff0e::1",
]


class Recorder(httpx.AsyncBaseTransport):
    """Answers every request in place of the network, and remembers it."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with four bytes."""
        self.sent.append(request)
        return httpx.Response(200, content=four_bytes())


async def four_bytes() -> AsyncIterator[bytes]:
    """What every URL has to say."""
    yield b"data"


def guarded(network: Recorder) -> GuardedFetcher:
    """A fetcher with the system's resolver that only reaches the recorder."""
    return GuardedFetcher(
        settings=FetchSettings(), blobs=MemoryBlobStore(), open_transport=lambda: network, resolve=resolve
    )


@pytest.mark.parametrize("url", corpus("urls"), ids=ascii)
async def test_hostile_url_is_refused_before_anything_is_sent(url: str) -> None:
    """The URL is answered with file_download_error on image_url, and no request leaves."""
    network = Recorder()
    with pytest.raises(InvalidInputError) as refused:
        await guarded(network).fetch(url.replace("{canary}", "9"), own_base="http://darkroom")

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", "image_url"), "file_download_error")
    assert network.sent == []


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/a.png", "https://1.1.1.1:8443/a.png", "http://[2606:4700::1111]/a.png"]
)
async def test_public_address_is_fetched(url: str) -> None:
    """An address on the public internet is asked, by GET."""
    network = Recorder()

    assert await guarded(network).fetch(url, own_base="http://darkroom") == b"data"
    assert [request.method for request in network.sent] == ["GET"]


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_address_is_not_public(address: str) -> None:
    """No address of this machine, of a private network or of a group is public, however it is wrapped."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "2002:808:808::"])
def test_address_is_public(address: str) -> None:
    """Addresses of the public internet pass, wrapped ones too."""
    assert is_public(address)
