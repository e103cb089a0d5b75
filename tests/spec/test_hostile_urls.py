"""URLs by which a caller may try to reach into our network, and those that are fine.

Every form goes through the system's own resolver; nothing is connected to, because the
transport of these tests answers in its place.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from fakes import MemoryBlobStore

from app.api.addresses import is_public, resolve
from app.api.fetch import GuardedFetcher
from app.config import FetchSettings
from app.errors import InvalidInputError

HOSTILE_URLS = [
    # not HTTP
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "ftp://8.8.8.8/a.png",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stats",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "ws://8.8.8.8/a.png",
    "//127.0.0.1/a.png",
    "/etc/passwd",
    "a.png",
    "",
    "http:",
    "http://",
    "http:///a.png",
    "https://[",
    "http://[::1",
    "http://8.8.8.8:99999/",
    "http://8.8.8.8:port/",
    "http://a\x00b/",
    "http://a b/",
    # this machine
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://127.0.0.1/",
    "http://127.0.0.1:8265/api/jobs",
    "http://user:password@127.0.0.1/",
    "http://8.8.8.8@127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://\u2460\u2461\u2466.0.0.1/",
    # the neighbourhood
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fec0::1]/",
    # nobody, or everybody
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
]

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


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_hostile_url_is_refused_before_anything_is_sent(url: str) -> None:
    """The URL is answered with file_download_error on image_url, and no request leaves."""
    network = Recorder()
    with pytest.raises(InvalidInputError) as refused:
        await guarded(network).fetch(url, own_base="http://darkroom")

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
