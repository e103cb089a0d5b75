"""The official client, unmodified, in a process of its own that knows nothing but its environment."""

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fal_server import fal_server
from rich.console import Console

from app.cli.announcement import announce_tls
from app.cli.certificates import Certificates, local_certificates
from app.cli.tunnel import Place, tunnelling

CALLS = """
import fal_client
size = {"width": 64, "height": 80}
made = fal_client.subscribe("fal-ai/flux/schnell", arguments={"prompt": "a", "seed": 3, "image_size": size})
*_, last = fal_client.stream("fal-ai/flux/schnell", arguments={"prompt": "a", "seed": 4, "image_size": size})
with fal_client.realtime("fal-ai/flux/schnell", use_jwt={use_jwt}) as connection:
    connection.send({"prompt": "a", "seed": 5, "image_size": size})
    answer = connection.recv()
print(made["seed"], last["seed"], answer["seed"])
"""
UPLOAD = """
import httpx
url = fal_client.upload(b"hello", "text/plain")
print(url.rpartition("/files/")[0], httpx.get(url).text)
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of a new authority."""
    return local_certificates("127.0.0.1", folder=tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def host(certificates: Certificates) -> Iterator[str]:
    """Name and port of a server that speaks TLS."""
    with fal_server(ssl_certfile=certificates.certificate, ssl_keyfile=certificates.key) as url:
        yield url.removeprefix("https://")


def announced(host: str, bundle: Path, proxy: str | None) -> dict[str, str]:
    """The variables in what is printed for a user to paste."""
    console = Console(record=True, file=io.StringIO(), width=40)
    announce_tls(host, bundle, console, proxy=proxy)
    lines = [line for line in console.export_text().splitlines() if line.startswith("export ")]
    return dict(word.split("=", 1) for line in lines for word in line.split()[1:])


def printed(program: str, environment: dict[str, str]) -> list[str]:
    """What a new interpreter prints that runs the program in the environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=inherited | environment)
    return done.stdout.split()


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
