"""The official client, unmodified, in a process of its own that knows nothing but its environment."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fal_server import fal_server
from tls_client import CALLS, UPLOAD, announced, printed

from app.cli.certificates import Certificates, local_certificates
from app.cli.tunnel import Place, tunnelling


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of a new authority."""
    return local_certificates("127.0.0.1", folder=tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def host(certificates: Certificates) -> Iterator[str]:
    """Name and port of a server that speaks TLS."""
    with fal_server(ssl_certfile=certificates.certificate, ssl_keyfile=certificates.key) as url:
        yield url.removeprefix("https://")


@contextmanager
def tunnel(host: str) -> Iterator[str]:
    """The URL of a proxy that leads fal's hosts to the server."""
    name, _, port = host.partition(":")
    ready, stop, found = threading.Event(), threading.Event(), []

    async def offer() -> None:
        async with tunnelling(Place("127.0.0.1", 0), Place(name, int(port))) as offered:
            found.append(offered)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(offer()))
    thread.start()
    ready.wait()
    yield f"http://127.0.0.1:{found[0]}"
    stop.set()
    thread.join()


def test_the_printed_environment_is_enough(host: str, certificates: Certificates) -> None:
    """Pasting what is printed brings every call but uploads and tokens here."""
    environment = announced(host, certificates.bundle, proxy=None)

    assert printed(CALLS.replace("{use_jwt}", "False"), environment) == ["3", "4", "5"]


def test_a_tunnel_brings_everything_here(host: str, certificates: Certificates) -> None:
    """By the proxy alone, uploads and tokens come, too, under fal's own names."""
    with tunnel(host) as proxy:
        environment = announced(host, certificates.bundle, proxy=proxy)
        words = printed(CALLS.replace("{use_jwt}", "True") + UPLOAD, environment)

    assert words == ["3", "4", "5", "https://v3.fal.media", "hello"]
